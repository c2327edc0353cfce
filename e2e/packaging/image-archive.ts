import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** What `make image` writes. */
export const ARCHIVE = join(import.meta.dirname, '../../dist/image.tar');

/** One entry of the image's only layer. */
export type Entry = {
  /** From the root, without a leading slash. */
  readonly path: string;
  readonly kind: 'file' | 'directory' | 'other';
  /** As `ls` shows it: `rwxr-xr-x`. */
  readonly mode: string;
  /** `0/0` */
  readonly owner: string;
};

export type ImageConfig = {
  readonly architecture: string;
  readonly config: {
    readonly User: string;
    readonly Env: readonly string[];
    readonly Entrypoint: readonly string[];
    readonly Cmd: readonly string[];
    readonly Labels: Readonly<Record<string, string>>;
  };
  readonly rootfs: { readonly diff_ids: readonly string[] };
};

type Manifest = readonly [
  { readonly Config: string; readonly RepoTags: readonly string[]; readonly Layers: readonly string[] },
];

/** The image in `dist/image.tar`, a docker-archive with one layer. */
export class ImageArchive {
  readonly tags: readonly string[];
  readonly layers: readonly string[];
  readonly config: ImageConfig;

  constructor() {
    const [manifest] = this.#json<Manifest>('manifest.json');
    this.tags = manifest.RepoTags;
    this.layers = manifest.Layers;
    this.config = this.#json(manifest.Config);
  }

  /** What stands in the layer, in its order. */
  entries(): readonly Entry[] {
    const listing = shell(`tar -xOf "$1" "$2" | gzip -dcf | tar -tv --numeric-owner`, ARCHIVE, this.layers[0] ?? '');
    return listing
      .trimEnd()
      .split('\n')
      .map((line) => {
        const [, type = '', mode = '', owner = '', path = ''] =
          /^(.)(\S{9}) +(\S+) +\d+ \S+ \S+ (.*)$/.exec(line) ?? [];
        return { path, kind: type === '-' ? 'file' : type === 'd' ? 'directory' : 'other', mode, owner };
      });
  }

  /** The text of one file of the layer. */
  read(path: string): string {
    return shell(`tar -xOf "$1" "$2" | gzip -dcf | tar -xO "$3"`, ARCHIVE, this.layers[0] ?? '', path);
  }

  /** Unpacks the layer into a folder, with its owners: as root. */
  unpack(folder: string): void {
    shell(
      `tar -xOf "$1" "$2" | gzip -dcf | tar -x --numeric-owner --same-owner -p -C "$3"`,
      ARCHIVE,
      this.layers[0] ?? '',
      folder,
    );
  }

  #json<T>(member: string): T {
    return JSON.parse(shell(`tar -xOf "$1" "$2"`, ARCHIVE, member));
  }
}

/** Why there is no image to look at, or false. */
export function noImage(): string | false {
  return existsSync(ARCHIVE) ? false : 'there is no dist/image.tar: make image';
}

function shell(script: string, ...args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync('bash', ['-o', 'pipefail', '-c', script, 'bash', ...args], {
    encoding: 'utf8',
    maxBuffer: 16 << 20,
  });
  if (status !== 0) throw new Error(`${script} ended with ${status}: ${stderr}`);
  return stdout;
}
