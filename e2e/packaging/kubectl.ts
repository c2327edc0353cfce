import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Cluster } from '../cluster/cluster.ts';
import { isJson, type Json } from '../cluster/json.ts';
import { program } from './monitoring-tools.ts';

type Ended = { readonly code: number; readonly stdout: string; readonly stderr: string };

/** The administrator's kubectl and helm on a running cluster. */
export class Kubectl {
  readonly #kubectl: string;
  readonly #kubeconfig: string;

  constructor(cluster: Cluster) {
    this.#kubectl = `${/^BIN=(.*)$/m.exec(readFileSync(cluster.file('env'), 'utf8'))?.[1] ?? ''}/kubectl`;
    this.#kubeconfig = cluster.file('conf/admin.kubeconfig');
  }

  /** Runs kubectl to its end, whatever that is. */
  try(args: readonly string[], input = ''): Ended {
    return this.#spawn(this.#kubectl, args, input);
  }

  /** What kubectl prints. @throws when it fails */
  run(args: readonly string[], input = ''): string {
    return stdoutOf('kubectl', args, this.try(args, input));
  }

  /** What helm prints. @throws when it fails */
  helm(args: readonly string[], values: unknown = {}): string {
    return stdoutOf('helm', args, this.#spawn(program('helm'), args, JSON.stringify(values)));
  }

  /** An object of the API. @throws where there is none */
  get(kind: string, name: string, namespace = 'default'): Json {
    const object: unknown = JSON.parse(this.run(['get', kind, name, '-n', namespace, '-o', 'json']));
    return isJson(object) ? object : {};
  }

  /** Everything that a ServiceAccount may do in a namespace, a line each: resource, names, verbs. */
  rights(account: { readonly namespace: string; readonly name: string }, namespace: string): readonly string[] {
    const who = `system:serviceaccount:${account.namespace}:${account.name}`;
    const all = this.run(['auth', 'can-i', '--list', '--as', who, '-n', namespace]);
    return all
      .split('\n')
      .slice(1, -1)
      .map((line) => line.replaceAll(/ +/g, ' ').replace(' [] ', ' '));
  }

  /** All objects that carry the release's label, in any namespace, as `kind/name`. */
  labelled(release: string): readonly string[] {
    const kinds = this.run(['api-resources', '--verbs=list', '-o', 'name']).trim().split('\n');
    const label = `app.kubernetes.io/instance=${release}`;
    return this.run(['get', kinds.join(','), '-A', '-l', label, '-o', 'name', '--ignore-not-found'])
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('event'));
  }

  #spawn(path: string, args: readonly string[], input: string): Ended {
    const env = { ...process.env, KUBECONFIG: this.#kubeconfig };
    const { status, stdout, stderr } = spawnSync(path, args, { input, encoding: 'utf8', env });
    return { code: status ?? -1, stdout, stderr };
  }
}

function stdoutOf(name: string, args: readonly string[], { code, stdout, stderr }: Ended): string {
  if (code !== 0) throw new Error(`${name} ${args.join(' ')}: ${stderr}${stdout}`);
  return stdout;
}
