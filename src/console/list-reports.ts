import { clockTime } from '../cli/times.ts';
import type { ErrorRow, EventRow, Finding, Severity } from '../status/types.ts';
import type { ListColumn } from './grid.ts';
import { type Style, span } from './line.ts';
import { FINDING_ROW } from './watch-state.ts';

const SEVERITY: Readonly<Record<Severity, Style>> = { error: 'bad', warning: 'warning', info: 'plain' };

export function severityStyle(severity: Severity): Style {
  return SEVERITY[severity];
}

/** A key for each finding: the same from one answer to the next, though the numbers in its title change. */
export function findingKeys(findings: readonly Finding[]): ReadonlyMap<Finding, string> {
  const seen = new Map<string, number>();
  return new Map(
    findings.map((finding) => {
      const kind = `${finding.code} ${finding.destination ?? ''}`;
      const number = seen.get(kind) ?? 0;
      seen.set(kind, number + 1);
      return [finding, `${FINDING_ROW}${kind} ${number}`];
    }),
  );
}

/** The column of the destination is left out where there is one only. */
export function eventColumns(all: boolean): readonly ListColumn<EventRow>[] {
  return [
    { title: 'TIME', align: 'left', rank: 0, cell: ({ time }) => span(clockTime(time)), order: ({ time }) => time },
    {
      title: 'SEVERITY',
      align: 'left',
      rank: 3,
      cell: ({ severity }) => span(severity, SEVERITY[severity]),
      order: ({ severity }) => severity,
    },
    ...(all ? [ofDestination<EventRow>()] : []),
    {
      title: 'ENDPOINT',
      align: 'left',
      rank: 4,
      least: 12,
      cell: ({ endpoint }) => span(endpoint ?? '-'),
      order: ({ endpoint }) => endpoint ?? '-',
    },
    {
      title: 'WHAT HAPPENED, AND WHY',
      align: 'left',
      rank: 0,
      least: 20,
      cell: ({ text, count }) => span(count > 1 ? `${text} (${count} times)` : text),
      order: ({ text }) => text,
    },
  ];
}

/** The same of errors. */
export function errorColumns(all: boolean): readonly ListColumn<ErrorRow>[] {
  return [
    {
      title: 'CODE',
      align: 'left',
      rank: 0,
      least: 14,
      cell: ({ code }) => span(code, 'bold'),
      order: ({ code }) => code,
    },
    ...(all ? [ofDestination<ErrorRow>()] : []),
    {
      title: 'COUNT',
      align: 'right',
      rank: 0,
      cell: ({ count }) => span(String(count)),
      order: ({ count }) => count,
    },
    {
      title: 'STATUS',
      align: 'right',
      rank: 3,
      cell: ({ status }) => span(status === 0 ? '-' : String(status)),
      order: ({ status }) => status,
    },
    {
      title: 'LAST',
      align: 'left',
      rank: 1,
      cell: ({ lastTime }) => span(clockTime(lastTime)),
      order: ({ lastTime }) => lastTime,
    },
    {
      title: 'IN ITS WORDS',
      align: 'left',
      rank: 2,
      least: 16,
      cell: ({ lastMessage }) => span(lastMessage),
      order: ({ lastMessage }) => lastMessage,
    },
  ];
}

/** The same of findings. */
export function findingColumns(all: boolean): readonly ListColumn<Finding>[] {
  return [
    {
      title: 'SEVERITY',
      align: 'left',
      rank: 0,
      cell: ({ severity }) => span(severity, SEVERITY[severity]),
      order: ({ severity }) => severity,
    },
    ...(all ? [ofDestination<Finding>()] : []),
    {
      title: 'WHAT IS THE MATTER',
      align: 'left',
      rank: 0,
      least: 20,
      cell: ({ title }) => span(title),
      order: ({ title }) => title,
    },
    {
      title: 'WHAT TO DO',
      align: 'left',
      rank: 1,
      least: 20,
      cell: ({ remedies }) => span(remedies[0] ?? ''),
      order: ({ remedies }) => remedies[0] ?? '',
    },
  ];
}

function ofDestination<T extends { readonly destination: string | null }>(): ListColumn<T> {
  return {
    title: 'DESTINATION',
    align: 'left',
    rank: 2,
    least: 12,
    cell: ({ destination }) => span(destination ?? '-'),
    order: ({ destination }) => destination ?? '-',
  };
}
