import { ANY_STEPS, LAG_STEPS, sumRate } from './key-figures.ts';
import type { Row } from './panel.ts';

const OF_LIMIT_STEPS = [
  { colour: 'green', from: null },
  { colour: 'yellow', from: 0.7 },
  { colour: 'red', from: 0.9 },
] as const;

/** What a sidecar needs of its node, against what it may have. @param sidecar the matchers that name it */
export const podProcess = (sidecar: string): Row => ({
  title: 'Process',
  panels: [
    {
      title: 'Runs for',
      kind: 'stat',
      description: 'Since its process started. A restart shows as a mark in the other panels.',
      unit: 's',
      queries: [{ expr: `time() - max(carpool_process_start_time_seconds{${sidecar}})` }],
      width: 4,
    },
    {
      title: 'Version',
      kind: 'stat',
      description: 'Of carpool, and of the Node that it runs on.',
      unit: 'short',
      queries: [{ expr: `carpool_build_info{${sidecar}}`, legend: '{{version}} (Node {{node}})' }],
      text: 'name',
      width: 4,
    },
    {
      title: 'Configurations refused',
      kind: 'stat',
      description: 'In the time that is shown. The log of the sidecar names what is wrong.',
      unit: 'short',
      queries: [{ expr: `sum(increase(carpool_config_reloads_total{${sidecar}, outcome="refused"}[$__range]))` }],
      steps: ANY_STEPS,
      width: 4,
    },
    {
      title: 'Upstream connections',
      kind: 'stat',
      description: 'Of all destinations, as a share of limits.maxConnections.',
      unit: 'percentunit',
      queries: [
        {
          expr: `max(carpool_upstream_connections{${sidecar}}) / max(carpool_upstream_connections_max{${sidecar}})`,
        },
      ],
      steps: OF_LIMIT_STEPS,
      width: 4,
    },
    {
      title: 'Buffers',
      kind: 'stat',
      description:
        'Bytes in buffers as a share of limits.bufferBytes. Above half no replay copies are kept, at the whole requests are refused.',
      unit: 'percentunit',
      queries: [{ expr: `max(carpool_buffered_bytes{${sidecar}}) / max(carpool_buffer_limit_bytes{${sidecar}})` }],
      steps: [
        { colour: 'green', from: null },
        { colour: 'yellow', from: 0.5 },
        { colour: 'red', from: 0.9 },
      ],
      width: 4,
    },
    {
      title: 'File descriptors',
      kind: 'stat',
      description: 'Open ones as a share of their limit. Each connection needs one.',
      unit: 'percentunit',
      queries: [{ expr: `max(carpool_process_open_fds{${sidecar}}) / max(carpool_process_max_fds{${sidecar}})` }],
      steps: OF_LIMIT_STEPS,
      width: 4,
    },
    {
      title: 'Event loop',
      kind: 'lines',
      description: 'How late it ran. Over 50 ms: the CPU limit throttles the sidecar, or the node has no CPU to spare.',
      unit: 's',
      queries: [
        { expr: `max by (quantile) (carpool_event_loop_lag_seconds{${sidecar}})`, legend: 'quantile {{quantile}}' },
      ],
      steps: LAG_STEPS,
      width: 8,
    },
    {
      title: 'CPU',
      kind: 'stacked',
      description: 'CPU time used, a second. Against the limit of the container.',
      unit: 'suffix: cores',
      queries: [{ expr: sumRate('carpool_process_cpu_seconds_total', sidecar, 'mode'), legend: '{{mode}}' }],
      width: 8,
    },
    {
      title: 'Memory',
      kind: 'lines',
      description: 'Resident memory is what the limit of the container is about.',
      unit: 'bytes',
      queries: [
        { expr: `max(carpool_process_resident_memory_bytes{${sidecar}})`, legend: 'resident' },
        { expr: `max(carpool_process_heap_used_bytes{${sidecar}})`, legend: 'heap in use' },
        { expr: `max(carpool_process_heap_bytes{${sidecar}})`, legend: 'heap' },
        { expr: `max(carpool_process_external_memory_bytes{${sidecar}})`, legend: 'outside the heap' },
      ],
      width: 8,
    },
    {
      title: 'Log lines given up',
      kind: 'lines',
      description: 'A second, for the reader of stdout stood still. Above 0: the node’s log collector is stuck.',
      unit: 'cps',
      queries: [{ expr: sumRate('carpool_log_dropped_lines_total', sidecar), legend: 'lines' }],
      width: 12,
    },
    {
      title: 'Spans',
      kind: 'lines',
      description:
        'A second, by what became of them. failed, dropped: the collector does not take them, or not as fast.',
      unit: 'cps',
      queries: [
        {
          expr: sumRate('carpool_trace_spans_total', sidecar, 'outcome'),
          legend: '{{outcome}}',
          emptyUntil: 'telemetry.tracing is enabled',
        },
      ],
      width: 12,
    },
  ],
});
