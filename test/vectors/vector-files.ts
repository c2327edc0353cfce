import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Where the public vectors are: beside the repository, or in the folder that CARPOOL_VECTORS names. Nothing of them is kept here. */
export const vectorsFolder =
  process.env.CARPOOL_VECTORS ?? fileURLToPath(new URL('../../../shared/vectors', import.meta.url));

/** For the `skip` of a test: false where the vectors are there, else the reason. */
export const withoutVectors: false | string = existsSync(join(vectorsFolder, 'README.md'))
  ? false
  : `the public vectors are not in ${vectorsFolder} (set CARPOOL_VECTORS)`;

type Line = Record<string, unknown>;

function lines(file: string): Line[] {
  return readFileSync(join(vectorsFolder, file), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line): Line => JSON.parse(line));
}

const text = (line: Line, key: string): string => {
  const value = line[key];
  return typeof value === 'string' ? value : '';
};

const decoded = (line: Line, key: string): string => Buffer.from(text(line, key), 'base64').toString('latin1');

export type LlhttpVector = { readonly name: string; readonly type: string; readonly bytes: string };

/** llhttp's cases; `type` begins with request or response. */
export const llhttp = (): LlhttpVector[] =>
  lines('llhttp.jsonl').map((line) => ({
    name: `llhttp: ${text(line, 'name')}`,
    type: text(line, 'type'),
    bytes: decoded(line, 'b64'),
  }));

export type ProbeVector = {
  readonly id: string;
  readonly expect: string;
  readonly allowClose: boolean;
  readonly bytes: string;
};

/** Http11Probe's cases, with `$HOST` for the authority. */
export const http11probe = (): ProbeVector[] =>
  lines('http11probe.jsonl').map((line) => ({
    id: text(line, 'id'),
    expect: text(line, 'expect'),
    allowClose: line.allow_close === true,
    bytes: decoded(line, 'b64').replaceAll('__HOST__', '$HOST'),
  }));

/** The garden's cases: bugs of real servers. */
export const gardenTrophies = (): { name: string; bytes: string }[] =>
  lines('garden_trophies.jsonl').map((line) => ({ name: `garden: ${text(line, 'bug')}`, bytes: decoded(line, 'b64') }));

/** Heads with a mutated Transfer-Encoding beside a Content-Length; the blank line is not there yet. */
export const smuggler = (): { name: string; head: string }[] =>
  lines('smuggler_te_mutations.jsonl').map((line) => ({
    name: `${text(line, 'src')}: ${text(line, 'name')}`,
    head: decoded(line, 'header_b64'),
  }));
