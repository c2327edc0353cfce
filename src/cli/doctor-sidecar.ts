import { dialledHost, showHostPattern } from '../config/addresses.ts';
import type { Config } from '../config/types.ts';
import { connectionLimits, RESERVE } from '../file-limit.ts';
import { CliError } from './deps.ts';
import type { DoctorContext, FindingSink } from './doctor-finding.ts';
import { probe } from './doctor-probe.ts';
import { configAsRunning } from './doctor-status.ts';
import { call } from './http-call.ts';

const TIMEOUT_MS = 3000;

const START = 'Start it (`carpool run`); in a pod, look at the state and the log of its container.';

/** The listener, where the running sidecar has it, else the configuration: is somebody there, and is it carpool? */
export async function checkListener(context: DoctorContext, findings: FindingSink): Promise<void> {
  const { clock, named } = context;
  const { listener } = await configAsRunning(context);
  const { port } = listener;
  const host = dialledHost(listener.host);
  const authority = showHostPattern({ host, port });
  if (port === 0) {
    findings.warn(
      'listener.port is 0, so the port is a free one that this command cannot know',
      'Set listener.port, or name the port with --port.',
    );
    return;
  }
  // It may go no further, so carpool answers it itself: it reaches no upstream, and counts as no error.
  const send = `OPTIONS http://${authority}/ HTTP/1.1\r\nHost: ${authority}\r\nMax-Forwards: 0\r\nConnection: close\r\n\r\n`;
  const result = await probe({ host, port }, { clock, timeoutMs: TIMEOUT_MS, send });
  if (result.kind === 'failed') {
    const what = result.code === 'ECONNREFUSED' ? 'nothing listens on' : `no connection (${result.code}) to`;
    if (named !== null) {
      findings.warn(
        `${what} ${authority}: the listener of the sidecar that was named is not looked at`,
        'If it is elsewhere (behind a port-forward, say), nothing is wrong: run this in its container to look at its listener too.',
      );
      return;
    }
    findings.fail(
      `${what} ${authority}: the sidecar is not running, or listens elsewhere`,
      `${START} If it has another listener.port, give this command the sidecar’s configuration (--config, --port).`,
    );
    return;
  }
  const [statusLine = ''] = result.answer.split('\r\n');
  if (!/^proxy-status: *carpool\b/im.test(result.answer)) {
    const answer = statusLine === '' ? 'it did not answer' : `its answer: ${statusLine.slice(0, 60)}`;
    findings.fail(
      `what listens on ${authority} is not carpool (${answer})`,
      'Stop the other process, or give carpool another listener.port and the app the same one in HTTP_PROXY.',
    );
  } else if (/^HTTP\/1\.1 503 /.test(statusLine)) {
    findings.warn(
      `carpool listens on ${authority} and refuses with 503: it is at its limit of connections, or stopping`,
      'Look at `carpool stats`; raise listener.maxConnections or the file limit if the app needs more connections.',
    );
  } else {
    const written = context.config.listener.port;
    const elsewhere = port === written ? '' : `, as the running sidecar says (here listener.port is ${written})`;
    findings.ok(`carpool listens on ${authority}${elsewhere}`);
  }
}

/** The operator port: does it say that the sidecar is ready? */
export async function checkOperator(context: DoctorContext, findings: FindingSink): Promise<void> {
  const { clock, named } = context;
  const url = named?.kind === 'url' ? named.url : operatorUrl(context, findings);
  if (url === null) return;
  try {
    const target = { kind: 'url', url, token: null } as const;
    const { status, body } = await call(target, { method: 'GET', path: '/readyz', timeoutMs: TIMEOUT_MS }, clock);
    const state = body.trim();
    if (status === 200 && state === 'ready') findings.ok(`${url}/readyz says ready`);
    else if (status === 503 && /^(starting|draining)$/.test(state))
      findings.fail(
        `${url}/readyz says ${state}`,
        'Wait until it is ready (`carpool wait`); its log says what it does.',
      );
    else if (state.includes('this is the listener;'))
      findings.fail(
        `${url} is the listener of carpool, and not its operator port`,
        'Give the operator port: --url http://127.0.0.1:14191 is where it is by default.',
      );
    else
      findings.fail(
        `${url}/readyz answers ${status}, and not as carpool does`,
        'Another process has this port: stop it, or give carpool another operator.port and the probes the same one.',
      );
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    const nobody = error.message.startsWith('nothing listens');
    findings.fail(nobody ? `nothing listens on ${url}` : error.message, `${START} Its port is operator.port.`);
  }
}

/** Where the configuration has it; null: nowhere that can be asked, and why is told. */
function operatorUrl({ config }: DoctorContext, findings: FindingSink): string | null {
  const { enabled, host, port } = config.operator;
  if (!enabled) findings.ok('off by configuration (operator.enabled): no probes, no metrics, no status page');
  else if (port !== 0) return `http://${showHostPattern({ host: dialledHost(host), port })}`;
  else
    findings.warn(
      'operator.port is 0, so the port is a free one that this command cannot know',
      'Set operator.port: probes and Prometheus need a fixed one.',
    );
  return null;
}

/**
 * The limit of open files against what the configuration allows.
 * @param files the soft limit
 */
export function checkFileLimit(config: Config, files: number, findings: FindingSink): void {
  const fit = connectionLimits(config, files);
  const down = config.listener.maxConnections;
  const up = config.limits.maxConnections;
  if (fit.downstream >= down && fit.upstream >= up) {
    findings.ok(`${files} open files are enough for ${down} connections of the app and ${up} to upstreams`);
    return;
  }
  const needed = Math.max(2 * down, down + up) + RESERVE;
  findings.warn(
    `with ${files} open files ${fit.downstream} connections of the app (of ${down}) and ${fit.upstream} to upstreams (of ${up}) fit`,
    `Raise the limit of the container runtime to ${needed} (\`ulimit -n\`, LimitNOFILE), or lower listener.maxConnections and limits.maxConnections to what is needed.`,
  );
}
