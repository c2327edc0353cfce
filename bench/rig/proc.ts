import { readdirSync, readFileSync } from 'node:fs';

/**
 * What the kernel says about processes and the machine (Linux, /proc). Every reader answers for a process that has
 * gone meanwhile as if it had never used anything.
 */

/** The scheduler's clock tick in /proc/stat and /proc/PID/stat; 100 on every Linux architecture that Node runs on. */
const TICKS_PER_SECOND = 100;

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

function tasks(pid: number): readonly string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
}

/** The process and all its descendants. */
function processTree(pid: number): readonly number[] {
  const found: number[] = [];
  const todo = [pid];
  for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
    found.push(next);
    for (const task of tasks(next)) {
      for (const child of read(`/proc/${next}/task/${task}/children`).split(' ')) {
        if (child !== '') todo.push(Number(child));
      }
    }
  }
  return found;
}

/** The fields of /proc/PID/stat behind the command name (which may hold spaces): index 0 is field 3 of proc(5). */
function statFields(pid: number): readonly number[] {
  const text = read(`/proc/${pid}/stat`);
  return text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
}

/**
 * CPU seconds of a process tree. From the scheduler's account of each thread (schedstat, nanoseconds); a kernel built
 * without it leaves utime + stime (10 ms steps).
 */
export function cpuSeconds(pid: number): number {
  let nanoseconds = 0;
  let ticks = 0;
  for (const member of processTree(pid)) {
    for (const task of tasks(member)) {
      nanoseconds += Number(read(`/proc/${member}/task/${task}/schedstat`).split(' ')[0] ?? 0);
    }
    const fields = statFields(member);
    ticks += (fields[11] ?? 0) + (fields[12] ?? 0);
  }
  return nanoseconds > 0 ? nanoseconds / 1e9 : ticks / TICKS_PER_SECOND;
}

/** CPU seconds of the children that this process has started and that have ended and been waited for. */
export function endedChildrenCpuSeconds(): number {
  const fields = statFields(process.pid);
  return ((fields[13] ?? 0) + (fields[14] ?? 0)) / TICKS_PER_SECOND;
}

export type Memory = { readonly rssMiB: number; readonly pssMiB: number };

/** Memory of a process tree: RSS counts shared pages in each process, PSS divides them among those that map them. */
export function memory(pid: number): Memory {
  let rss = 0;
  let pss = 0;
  for (const member of processTree(pid)) {
    rss += Number(/VmRSS:\s+(\d+)/.exec(read(`/proc/${member}/status`))?.[1] ?? 0);
    pss += Number(/^Pss:\s+(\d+)/m.exec(read(`/proc/${member}/smaps_rollup`))?.[1] ?? 0);
  }
  return { rssMiB: rss / 1024, pssMiB: pss / 1024 };
}

/** CPU seconds that all programs on all cores together have used, with interrupts and without waiting for disks. */
export function machineCpuSeconds(): number {
  const line = read('/proc/stat').split('\n', 1)[0] ?? '';
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = line.split(/\s+/).slice(1).map(Number);
  return (user + nice + system + irq + softirq) / TICKS_PER_SECOND;
}

/** How many established IPv4 connections of the machine go to this port (seen from the side that opened them). */
export function establishedTo(port: number): number {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  let count = 0;
  for (const line of read('/proc/net/tcp').split('\n')) {
    const [, , remote = '', state] = line.trim().split(/\s+/);
    if (state === '01' && remote.endsWith(suffix)) count++;
  }
  return count;
}
