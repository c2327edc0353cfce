import type { Clock } from '../clock.ts';
import type { DestinationPolicy } from '../config/types.ts';
import { filesFailure, type TlsFailure, tlsFailure } from '../connection/tls-failure.ts';
import { TlsIdentity } from '../connection/tls-identity.ts';
import { connectSecure, type SecureTarget } from '../transport/secure-socket.ts';
import { TlsFileError } from '../transport/tls-files.ts';
import type { FindingSink } from './doctor-finding.ts';

const TIMEOUT_MS = 3000;
/** A certificate that ends sooner should have been renewed by now. */
const SOON_MS = 14 * 86_400_000;

/** What a handshake with a destination came to. */
type Handshake =
  | {
      readonly kind: 'done';
      /** What ALPN agreed on, or null. */
      readonly spoken: string | null;
      readonly version: string;
      readonly names: string;
      readonly issuer: string;
      readonly validTo: string;
    }
  | { readonly kind: 'refused'; readonly failure: TlsFailure }
  | { readonly kind: 'failed'; readonly words: string };

/** Whether TLS comes about with a destination as carpool would make it, what is spoken then, and until when its certificate is good. */
export async function checkTls(
  named: { readonly host: string; readonly port: number },
  address: { readonly address: string; readonly port: number },
  policy: DestinationPolicy,
  clock: Clock,
  findings: FindingSink,
): Promise<void> {
  const identity = new TlsIdentity(named.host, named.host, policy.tls, clock, { emit: () => {} });
  let target: SecureTarget;
  try {
    target = identity.lane(policy.protocol === 'auto' ? 'negotiate' : policy.protocol).target();
  } catch (error) {
    if (!(error instanceof TlsFileError)) throw error;
    const { message, hint } = filesFailure(error);
    findings.fail(`TLS: ${message}`, hint);
    return;
  }
  const result = await handshake(address, target, clock);
  if (result.kind === 'refused') findings.fail(`TLS: ${result.failure.message}`, result.failure.hint);
  else if (result.kind === 'failed')
    findings.fail(`TLS: ${result.words}`, 'Look at the log of the server, and whether it speaks TLS at this port.');
  else tell(result, policy, clock.wall(), findings);
}

function tell(
  { spoken, version, names, issuer, validTo }: Handshake & { kind: 'done' },
  { protocol }: DestinationPolicy,
  now: number,
  findings: FindingSink,
): void {
  const words = `TLS: ${version}, ${spoken === null ? 'no protocol agreed on' : `speaks ${spoken}`}; certificate for ${names}, issued by ${issuer}, valid until ${validTo}`;
  if (protocol === 'http2' && spoken !== 'h2')
    findings.fail(
      words,
      'protocol is http2, and the server does not agree on h2: leave protocol out, or turn HTTP/2 on there.',
    );
  else if (Date.parse(validTo) - now < SOON_MS) findings.warn(words, 'Renew the certificate of the server.');
  else findings.ok(words);
}

function handshake(
  { address, port }: { readonly address: string; readonly port: number },
  target: SecureTarget,
  clock: Clock,
): Promise<Handshake> {
  return new Promise((resolve) => {
    const secure = connectSecure({ address, port, keepAliveMs: 0 }, target, 16_384, null);
    const { socket } = secure;
    const end = (result: Handshake): void => {
      timer.cancel();
      resolve(result);
      socket.destroy();
    };
    const failed = (error: NodeJS.ErrnoException | null): void => {
      const failure = tlsFailure(error, { secure });
      if (failure !== null) end({ kind: 'refused', failure });
      else end({ kind: 'failed', words: error?.message ?? 'the connection was closed' });
    };
    const timer = clock.setTimer(
      () => end({ kind: 'failed', words: `no handshake within ${TIMEOUT_MS / 1000} s` }),
      TIMEOUT_MS,
    );
    socket.on('error', failed);
    socket.on('close', () => failed(null));
    socket.once('secureConnect', () => {
      const certificate = socket.getPeerX509Certificate();
      end({
        kind: 'done',
        spoken: typeof socket.alpnProtocol === 'string' ? socket.alpnProtocol : null,
        version: socket.getProtocol() ?? 'TLS',
        names: certificate?.subjectAltName ?? 'nobody',
        issuer: certificate?.issuer.replaceAll('\n', ', ') ?? 'nobody',
        validTo: certificate?.validTo ?? '',
      });
    });
  });
}
