import { type FSWatcher, lstatSync, readlinkSync, statSync, watch } from 'node:fs';
import { dirname, resolve, sep } from 'node:path';

/** As deep as Linux follows symbolic links. */
const MAX_LINKS = 40;

/**
 * Every directory in which a change can make `file` another one: the file's own, and those of each symbolic link on the
 * way to it. A mounted ConfigMap is such a way: `carpool.yaml → ..data/carpool.yaml`, `..data → ..2026_01_01…`, and the
 * kubelet changes the second link only.
 */
export function watchedDirectories(file: string): Set<string> {
  const directories = new Set<string>([dirname(resolve(file))]);
  let parts = resolve(file).split(sep).slice(1);
  let path: string = sep;
  for (let links = 0; parts.length > 0 && links < MAX_LINKS; ) {
    const [part = '', ...rest] = parts;
    const step = resolve(path, part);
    let target: string | null = null;
    try {
      if (lstatSync(step).isSymbolicLink()) target = readlinkSync(step);
    } catch {
      // Not there (yet): the directories so far are the ones in which it can appear.
      return directories;
    }
    if (target === null) {
      path = step;
      parts = rest;
      continue;
    }
    links++;
    directories.add(path);
    parts = [...resolve(path, target).split(sep).slice(1), ...rest];
    path = sep;
  }
  directories.add(dirname(path));
  return directories;
}

/** Device and inode: which directory it is, whatever it is called. */
function identityOf(directory: string): string {
  try {
    const { dev, ino } = statSync(directory);
    return `${dev}:${ino}`;
  } catch {
    return 'gone';
  }
}

/** Tells of changes around a file. Directories are watched, for an editor that renames leaves a watch on the file itself behind. */
export class FileWatch {
  readonly #file: string;
  readonly #onEvent: () => void;
  readonly #watchers = new Map<string, { watcher: FSWatcher; identity: string }>();

  constructor(file: string, onEvent: () => void) {
    this.#file = file;
    this.#onEvent = onEvent;
    this.refresh();
  }

  /** Follows links that changed. Returns the directories that cannot be watched, in words. */
  refresh(): string[] {
    const wanted = watchedDirectories(this.#file);
    // A directory that was replaced by one of the same name has another identity, and its watch hears nothing.
    for (const [directory, { watcher, identity }] of this.#watchers)
      if (!wanted.has(directory) || identityOf(directory) !== identity) {
        watcher.close();
        this.#watchers.delete(directory);
      }
    const failures: string[] = [];
    for (const directory of wanted) {
      if (this.#watchers.has(directory)) continue;
      try {
        // The name that an event carries is not used: it may be that of a link anywhere on the way.
        const watcher = watch(directory, { persistent: false }, this.#onEvent);
        watcher.on('error', () => this.#drop(directory));
        this.#watchers.set(directory, { watcher, identity: identityOf(directory) });
      } catch (error) {
        failures.push(`${directory} cannot be watched (${error instanceof Error ? error.message : String(error)})`);
      }
    }
    return failures;
  }

  /** A directory that is gone or cannot be watched any more; the next `refresh` tries again. */
  #drop(directory: string): void {
    this.#watchers.get(directory)?.watcher.close();
    this.#watchers.delete(directory);
    this.#onEvent();
  }

  close(): void {
    for (const { watcher } of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }
}
