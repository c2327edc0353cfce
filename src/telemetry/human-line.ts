/** Shown in front, not among the fields. */
const IN_FRONT: ReadonlySet<string> = new Set(['level', 'time', 'msg']);

/** A JSON log line as a person reads it in a terminal: time, level, message, then the fields. Returned as it is if it is no JSON. */
export function humanLine(line: string): string {
  let fields: unknown;
  try {
    fields = JSON.parse(line);
  } catch {
    return line;
  }
  if (typeof fields !== 'object' || fields === null) return line;
  const entries = new Map<string, unknown>(Object.entries(fields));
  const time = String(entries.get('time') ?? '').slice(11, 23);
  const level = String(entries.get('level') ?? '').toUpperCase();
  const rest = [...entries]
    .filter(([key]) => !IN_FRONT.has(key))
    .map(([key, value]) => ` ${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  return `${time} ${level.padEnd(5)} ${String(entries.get('msg') ?? '')}${rest.join('')}\n`;
}
