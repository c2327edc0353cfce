import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { at, isJson, type Json, listAt, textAt } from '../cluster/json.ts';
import { start, stop } from '../processes.ts';
import type { Teardown } from '../teardown.ts';
import { until } from '../until.ts';
import { program } from './monitoring-tools.ts';

/** What it scrapes, with the labels that the chart's PodMonitor would give. */
export type Target = { readonly port: number; readonly labels: Readonly<Record<string, string>> };

/** A real Prometheus that scrapes each second. */
export class Prometheus {
  readonly #port: number;

  private constructor(port: number) {
    this.#port = port;
  }

  /** @param rules files of rules for it */
  static async start(t: Teardown, targets: readonly Target[], rules: readonly string[]): Promise<Prometheus> {
    const folder = mkdtempSync(join(tmpdir(), 'carpool-prometheus-'));
    const port = await freePort();
    const config = join(folder, 'prometheus.yml');
    const static_configs = targets.map(({ port, labels }) => ({ targets: [`127.0.0.1:${port}`], labels }));
    writeFileSync(
      config,
      stringify({
        global: { scrape_interval: '1s', evaluation_interval: '1s' },
        rule_files: rules,
        scrape_configs: [{ job_name: 'carpool', static_configs }],
      }),
    );
    const log = join(folder, 'log');
    const child = start(
      [
        program('prometheus'),
        `--config.file=${config}`,
        `--storage.tsdb.path=${join(folder, 'data')}`,
        `--web.listen-address=127.0.0.1:${port}`,
        '--enable-feature=exemplar-storage',
      ],
      { log },
    );
    t.teardown(async () => {
      await stop(child);
      rmSync(folder, { recursive: true, force: true });
    });
    const prometheus = new Prometheus(port);
    const isReady = () =>
      prometheus.#get('/-/ready').then(
        ({ ok }) => ok,
        () => false,
      );
    await until('Prometheus', isReady).catch((error: unknown) => {
      throw new Error(`${String(error)}: ${readFileSync(log, 'utf8')}`);
    });
    return prometheus;
  }

  /** What a query says of this moment. @throws where it is no query */
  async query(expr: string): Promise<readonly Json[]> {
    const answer: unknown = await (await this.#get(`/api/v1/query?query=${encodeURIComponent(expr)}`)).json();
    if (textAt(answer, 'status') !== 'success') throw new Error(`${expr}: ${textAt(answer, 'error')}`);
    return listAt(answer, 'data', 'result').filter(isJson);
  }

  /** What a query says of a stretch of time, in seconds since the epoch. @throws where it is no query */
  async queryRange(expr: string, from: number, to: number, step: number): Promise<readonly Json[]> {
    const query = new URLSearchParams({ query: expr, start: String(from), end: String(to), step: String(step) });
    const answer: unknown = await (await this.#get(`/api/v1/query_range?${query}`)).json();
    if (textAt(answer, 'status') !== 'success') throw new Error(`${expr}: ${textAt(answer, 'error')}`);
    return listAt(answer, 'data', 'result').filter(isJson);
  }

  /** How many exemplars the series of a query have since then, in seconds since the epoch. */
  async exemplars(expr: string, since: number): Promise<number> {
    const query = new URLSearchParams({ query: expr, start: String(since), end: String(Date.now() / 1000) });
    const answer: unknown = await (await this.#get(`/api/v1/query_exemplars?${query}`)).json();
    return listAt(answer, 'data').flatMap((series) => listAt(series, 'exemplars')).length;
  }

  /** The values of a label of the series that a selector names. */
  async labelValues(label: string, selector: string): Promise<readonly unknown[]> {
    const path = `/api/v1/label/${label}/values?match[]=${encodeURIComponent(selector)}`;
    return listAt(await (await this.#get(path)).json(), 'data');
  }

  /** The rules that cannot be evaluated, with what is wrong. */
  async brokenRules(): Promise<readonly string[]> {
    const answer: unknown = await (await this.#get('/api/v1/rules')).json();
    return listAt(answer, 'data', 'groups')
      .flatMap((group) => listAt(group, 'rules'))
      .filter((rule) => at(rule, 'health') !== 'ok')
      .map((rule) => `${textAt(rule, 'name')}: ${textAt(rule, 'health')} ${textAt(rule, 'lastError')}`);
  }

  #get(path: string): Promise<Response> {
    return fetch(`http://127.0.0.1:${this.#port}${path}`);
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
