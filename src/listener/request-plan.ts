import { CarpoolError } from '../errors.ts';
import type { ExchangePlan } from '../forward/forward.ts';
import { equalsIgnoringCase } from '../protocol/http1/bytes.ts';
import { FIELD_MAX_FORWARDS, FIELD_VIA } from '../protocol/http1/field-names.ts';
import { FORM_ABSOLUTE, FORM_ASTERISK, type Head, METHOD_OPTIONS, METHOD_TRACE } from '../protocol/http1/head.ts';
import type { Destination } from '../routing/destination.ts';
import type { ListenerContext } from './listener-context.ts';

/** The one destination that a local port serves. */
export type LocalDestination = {
  readonly host: string;
  readonly port: number;
  /** What Host says upstream. */
  readonly authority: Buffer;
  readonly basePath: Buffer;
};

const NO_PREFIX = Buffer.alloc(0);

const ORIGIN_FORM_HINT =
  'Set HTTP_PROXY=http://127.0.0.1:14140 in the app so that it sends absolute URLs, call a local port of a destination (destinations[].localPort), or set listener.originForm: route.';

/**
 * Decides where a request goes and what its head becomes: the destination by the target, what concerns this hop (Via,
 * Max-Forwards, Upgrade), for one downstream connection, which remembers the destination that it named last.
 */
export class RequestPlanner {
  readonly #context: ListenerContext;
  readonly #local: LocalDestination | null;
  #lastAuthority = Buffer.alloc(0);
  #lastDestination: Destination | null = null;

  constructor(context: ListenerContext, local: LocalDestination | null) {
    this.#context = context;
    this.#local = local;
  }

  /** @throws CarpoolError that says why the request goes nowhere */
  plan(head: Head): ExchangePlan {
    const local = this.#local;
    const body = head.chunked || head.contentLength > 0;
    const destination = local === null ? this.#named(head) : this.#fixed(local);
    const upgrade = head.upgradeField >= 0 && this.#mayUpgrade(head, body);
    const extraLines = this.#ownLines(head);
    return {
      destination,
      body,
      options: {
        authority: local === null ? null : local.authority,
        pathPrefix: local === null || head.form === FORM_ASTERISK ? NO_PREFIX : local.basePath,
        upgrade,
        close: !destination.policy.pool.enabled,
        extraLines,
      },
    };
  }

  /** The destination's name for an error answer, as far as it can be told. */
  nameOf(head: Head): string | null {
    if (this.#local !== null) return `${this.#local.host}:${this.#local.port}`;
    return head.authorityEnd > head.authorityStart
      ? head.buffer.toString('latin1', head.authorityStart, head.authorityEnd)
      : null;
  }

  #fixed(local: LocalDestination): Destination {
    const last = this.#lastDestination;
    if (last !== null && !last.closed) return last;
    const destination = this.#context.router.find(local.host, local.port);
    this.#lastDestination = destination;
    return destination;
  }

  #named(head: Head): Destination {
    if (head.form !== FORM_ABSOLUTE) {
      if (this.#context.config.listener.originForm !== 'route') {
        throw new CarpoolError('BAD_REQUEST', 'a path alone does not say where the request is to go', {
          hint: ORIGIN_FORM_HINT,
        });
      }
      if (head.hostField < 0)
        throw new CarpoolError('BAD_REQUEST', 'neither target nor Host says where the request is to go');
    }
    if (head.secure) {
      throw new CarpoolError('BAD_REQUEST', 'carpool does not open TLS for https:// targets', {
        status: 501,
        hint: 'Let the app use CONNECT (HTTPS_PROXY) for https:// URLs.',
      });
    }
    const { buffer, authorityStart, authorityEnd } = head;
    const last = this.#lastDestination;
    const known = this.#lastAuthority;
    if (last !== null && !last.closed && known.length === authorityEnd - authorityStart) {
      let at = 0;
      while (at < known.length && known[at] === buffer[authorityStart + at]) at++;
      if (at === known.length) {
        last.usedAt = this.#context.lastRequestAt;
        return last;
      }
    }
    const host = buffer.toString('latin1', authorityStart, head.hostEnd);
    const bare = host.startsWith('[') ? host.slice(1, -1) : host;
    const destination = this.#context.router.find(bare, head.port === -1 ? 80 : head.port);
    this.#lastAuthority = Buffer.from(buffer.subarray(authorityStart, authorityEnd));
    this.#lastDestination = destination;
    return destination;
  }

  /** An Upgrade passes alone and for configured protocols; any other is left out and the request goes on (rule 10). */
  #mayUpgrade(head: Head, body: boolean): boolean {
    if (!head.upgradeNominated || body || head.minor === 0) return false;
    const start = head.valueStarts[head.upgradeField] ?? 0;
    const end = head.valueEnds[head.upgradeField] ?? 0;
    return this.#context.config.listener.upgradeProtocols.some((protocol) =>
      equalsIgnoringCase(head.buffer, start, end, protocol),
    );
  }

  /** Lines that carpool writes itself, in place of the fields that it takes out. */
  #ownLines(head: Head): Buffer | null {
    const { via } = this.#context.config;
    const adds = via.mode === 'request' || via.mode === 'both';
    const counts = head.maxForwards > 0 && (head.method === METHOD_TRACE || head.method === METHOD_OPTIONS);
    if (!adds && !counts) return null;
    let lines = '';
    if (adds) {
      this.#refuseLoop(head);
      lines += `via: 1.${head.minor} ${this.#context.viaToken}\r\n`;
    }
    if (counts) {
      for (let index = 0; index < head.fieldCount; index++) {
        if (head.idAt(index) === FIELD_MAX_FORWARDS) head.dropped[index] = 1;
      }
      lines += `max-forwards: ${head.maxForwards - 1}\r\n`;
    }
    return Buffer.from(lines, 'latin1');
  }

  #refuseLoop(head: Head): void {
    if (head.viaField < 0) return;
    let seen = 0;
    for (let index = 0; index < head.fieldCount; index++) {
      if (head.idAt(index) === FIELD_VIA) seen += head.valueText(index).split(this.#context.viaToken).length - 1;
    }
    if (seen > this.#context.config.via.maxSelf) {
      throw new CarpoolError('LOOP', `the request has passed this process ${seen} times`);
    }
  }
}
