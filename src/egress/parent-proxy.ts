import type { Clock } from '../clock.ts';
import type { Config } from '../config/types.ts';
import { TlsIdentity } from '../connection/tls-identity.ts';
import { addressPort, isIpLiteral } from '../discovery/ip-address.ts';
import type { EventSink } from '../observer.ts';
import type { ProxyHop } from '../transport/proxy-hop.ts';
import type { SecureTarget } from '../transport/secure-socket.ts';
import { SecretFile } from './secret-file.ts';

/** Whom events about its files name. */
const NAME = 'parent proxy';

/** A whole value of Proxy-Authorization: a scheme, a space and what the scheme wants (RFC 9110 section 11.4). */
const WHOLE = /^[A-Za-z0-9!#$%&'*+\-.^_`|~]+ +\S/;

/** The parent proxy of the configuration: where it is, how TLS to it is made, and who carpool is to it. */
export class ParentProxy implements ProxyHop {
  /** Where it listens; the host without brackets. */
  readonly host: string;
  readonly port: number;
  readonly url: string;
  readonly #clock: Clock;
  readonly #identity: TlsIdentity | null;
  readonly #file: SecretFile | null;
  /** Made of the file's value of this version. */
  #line: Buffer | null = null;
  #version = 0;

  constructor(
    url: string,
    settings: Config['egress']['parentProxy'],
    tls: Config['defaults']['tls'],
    clock: Clock,
    events: EventSink,
  ) {
    const { protocol, hostname, port } = new URL(url);
    const secure = protocol === 'https:';
    this.host = hostname.replace(/^\[(.*)\]$/, '$1');
    this.port = port === '' ? (secure ? 443 : 80) : Number(port);
    this.url = `${protocol}//${addressPort(this.host, this.port)}`;
    this.#clock = clock;
    const own = { ...tls, originate: true, ca: settings.ca, cert: null, key: null, serverName: null };
    this.#identity = secure ? new TlsIdentity(NAME, this.host, own, clock, events) : null;
    const path = settings.credentialsFile;
    this.#file = path === null ? null : new SecretFile({ path, destination: NAME, clock, events, check });
    this.credentials();
  }

  secure(): SecureTarget | null {
    return this.#identity?.lane('http1').target() ?? null;
  }

  credentials(): Buffer | null {
    const file = this.#file;
    if (file === null) return null;
    file.look(this.#clock.now());
    if (file.version !== this.#version && file.value !== null) {
      this.#version = file.version;
      this.#line = Buffer.from(`proxy-authorization: ${authorization(file.value)}\r\n`, 'latin1');
    }
    return this.#line;
  }

  /** Whether the proxy is named by its address. */
  get literal(): boolean {
    return isIpLiteral(this.host);
  }
}

const check = (value: string): string | null =>
  WHOLE.test(value) || value.includes(':')
    ? null
    : 'holds neither user:password nor a value such as "Bearer …" for Proxy-Authorization';

/** Basic (RFC 7617) of `user:password`, whose bytes are taken as they are; a whole value passes. */
const authorization = (value: string): string =>
  WHOLE.test(value) ? value : `Basic ${Buffer.from(value, 'latin1').toString('base64')}`;
