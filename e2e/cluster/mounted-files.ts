import {
  existsSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { at, isJson, type Json } from './json.ts';

/** The files of a Secret, by name. */
export function secretFiles(secret: Json): ReadonlyMap<string, Buffer> {
  const data = at(secret, 'data');
  const entries = isJson(data) ? Object.entries(data) : [];
  return new Map(entries.map(([name, value]) => [name, Buffer.from(String(value), 'base64')]));
}

/**
 * Mounts files as the kubelet does: each is a link to `..data/NAME`, `..data` a link to a folder that is never changed. New
 * contents are a new folder, and that one link is renamed over the old. Does nothing where all is as it is.
 */
export function mountFiles(directory: string, files: ReadonlyMap<string, Buffer>): void {
  mkdirSync(directory, { recursive: true });
  if ([...files].every(([name, bytes]) => sameFile(join(directory, name), bytes))) return;
  const data = join(directory, '..data');
  const before = existsSync(data) ? readlinkSync(data) : null;
  const folder = `..${process.hrtime.bigint()}`;
  mkdirSync(join(directory, folder));
  for (const [name, bytes] of files) writeFileSync(join(directory, folder, name), bytes);
  symlinkSync(folder, `${data}_tmp`);
  renameSync(`${data}_tmp`, data);
  for (const name of files.keys()) {
    if (!existsSync(join(directory, name))) symlinkSync(join('..data', name), join(directory, name));
  }
  if (before !== null) rmSync(join(directory, before), { recursive: true });
}

function sameFile(path: string, bytes: Buffer): boolean {
  return existsSync(path) && readFileSync(path).equals(bytes);
}
