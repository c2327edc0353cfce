import type { X509Certificate } from 'node:crypto';
import { CarpoolError, ERRORS } from '../errors.ts';
import type { ByteSocket } from '../transport/byte-socket.ts';
import type { TlsFileError } from '../transport/tls-files.ts';
import type { AttemptFailure } from './upstream.ts';

/** Why no TLS connection came about: the certificate, what the peer said of it (an alert), the protocol, or files of ours. */
export type TlsFailure = {
  readonly kind: 'certificate' | 'alert' | 'protocol' | 'files';
  /** Node's or OpenSSL's code: the metric label. */
  readonly code: string;
  readonly message: string;
  readonly hint: string;
  /** It was TLS to a parent proxy, not to the destination. */
  readonly toProxy?: true;
};

const PROXY_ERRORS: Readonly<Record<TlsFailure['kind'], string>> = {
  certificate: 'tls_certificate_error',
  alert: 'tls_alert_received',
  protocol: 'tls_protocol_error',
  files: 'proxy_configuration_error',
};

/** TLS_FAILED with the words of this case. @param where the destination, and what was dialled */
export function tlsError(where: string, failure: TlsFailure): CarpoolError {
  return new CarpoolError('TLS_FAILED', `${where}: ${failure.message}`, {
    proxyError: PROXY_ERRORS[failure.kind],
    hint: failure.hint,
  });
}

/** A socket that was dialled, for requests or for a check. */
type Dialled = Pick<ByteSocket, 'secure'>;

/** What is wrong with a chain, by OpenSSL's name of it. */
const UNTRUSTED = new Set([
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'CERT_UNTRUSTED',
]);

/** What a server sends that does not speak TLS, as OpenSSL tells it. */
const NO_TLS = new Set(['ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_SSL_PACKET_LENGTH_TOO_LONG', 'ERR_SSL_HTTP_REQUEST']);

/** The peer's alerts of RFC 8446 section 6.2 and what to do about them; others are told by name. */
const ALERT_HINTS: Readonly<Record<number, string>> = {
  40: 'The server shares no cipher or version with carpool, or wants a client certificate: look at its log, and at tls.cert and tls.key.',
  42: 'The server refused the client certificate: check tls.cert.',
  43: 'The server refused the client certificate: check tls.cert.',
  44: 'The server refused the client certificate as revoked: renew tls.cert.',
  45: 'The server refused the client certificate as expired: renew tls.cert.',
  46: 'The server refused the client certificate: check tls.cert.',
  48: 'The server does not know the CA of the client certificate: check tls.cert, and the CAs that the server trusts.',
  70: 'The server speaks no version of TLS that tls.minVersion allows.',
  112: 'The server has no certificate for this name: set tls.serverName to the one it goes by.',
  116: 'The server wants a client certificate: set tls.cert and tls.key.',
  120: 'The server speaks none of the protocols that were offered: check `protocol` of the destination.',
};

/** `…:error:0A000412:SSL routines:ssl3_read_bytes:tlsv1 alert bad certificate:…` → its words. */
const reasonOf = (message: string): string =>
  /error:[0-9A-F]+:[^:]*:[^:]*:([^:]+)/.exec(message)?.[1] ?? message.trim();

/** The failure that OpenSSL's message tells of where it is an alert of the peer, else null. */
function alertFailure(message: string, code: string): TlsFailure | null {
  const number = /SSL alert number (\d+)/.exec(message)?.[1];
  if (number === undefined) return null;
  return {
    kind: 'alert',
    code,
    message: `the server refused the TLS handshake: ${reasonOf(message)} (alert ${number})`,
    hint: ALERT_HINTS[Number(number)] ?? 'Look at the server’s log for why it refused the handshake.',
  };
}

/**
 * What a request hears whose attempt failed. Of TLS 1.3 the client is done before the server has looked at its
 * certificate: that it was refused comes in place of the response (RFC 8446 section 4.4.2.4).
 */
export function attemptError(where: string, failure: AttemptFailure, first: FirstWords | null = null): CarpoolError {
  const alert = failure.responseStarted ? null : alertFailure(failure.message, 'ALERT');
  if (alert !== null) return tlsError(where, alert);
  // A parent proxy did not take a request in absolute form (407): the message says what to do.
  if (failure.code === 'CONNECT_FAILED')
    return new CarpoolError(failure.code, `${where}: ${failure.message}`, {
      proxyError: 'http_request_denied',
      hint: 'Set egress.parentProxy.credentialsFile to a file with the credentials that the parent proxy wants, or correct what is in the file of egress.parentProxy.credentialsFile; NTLM and Negotiate are not known here.',
    });
  const streamCode = failure.streamCode ?? undefined;
  const more = first === null ? null : doubt(failure, first);
  const hint = more === null ? {} : { hint: `${ERRORS[failure.code].hint} ${more}` };
  return new CarpoolError(failure.code, `${where}: ${failure.message}`, { streamCode, ...hint });
}

/** What was spoken on a connection that had carried nothing before: what ended it may be that the server expected something else. */
export type FirstWords = { readonly secure: boolean; readonly clientCertificate: boolean };

/** What else may be the matter, in words, or null. */
function doubt({ code, responseStarted, connectionLost }: AttemptFailure, first: FirstWords): string | null {
  if (responseStarted || !connectionLost || (code !== 'UPSTREAM_CLOSED' && code !== 'UPSTREAM_RESET')) return null;
  if (!first.secure) return 'If this port speaks TLS, set tls.originate: true, or call https://.';
  // With TLS 1.3 the server looks at the client's certificate when the client is done already; some close without an alert.
  return first.clientCertificate ? null : 'If the server wants a client certificate (mTLS), set tls.cert and tls.key.';
}

/** Whose it is, whose name it has and until when it is good; nothing of this is secret. */
function describe(certificate: X509Certificate): string {
  const oneLine = (text: string): string => text.replaceAll('\n', ', ');
  const names = certificate.subjectAltName === undefined ? '' : `, for ${certificate.subjectAltName}`;
  return `(${oneLine(certificate.subject)}${names}, issued by ${oneLine(certificate.issuer)}, valid ${certificate.validFrom} to ${certificate.validTo})`;
}

function certificateFailure(error: NodeJS.ErrnoException, code: string, socket: Dialled): TlsFailure {
  const certificate = socket.secure?.certificate ?? null;
  const whose = certificate === null ? '' : ` ${describe(certificate)}`;
  const told = (message: string, hint: string): TlsFailure => ({
    kind: 'certificate',
    code,
    message: `${message}${whose}`,
    hint,
  });
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return told(
      'the server’s certificate is for another name',
      'Call it by a name that is in its certificate, or set tls.serverName to that name.',
    );
  if (code === 'CERT_HAS_EXPIRED')
    return told('the server’s certificate, or one in its chain, has expired', 'Renew the server’s certificate.');
  if (code === 'CERT_NOT_YET_VALID')
    return told(
      'the server’s certificate is not valid yet',
      'Check the clocks of this node and of whoever issued the certificate.',
    );
  if (code === 'DEPTH_ZERO_SELF_SIGNED_CERT')
    return told('the server’s certificate is self-signed', 'Set tls.ca to a file that holds this certificate.');
  if (UNTRUSTED.has(code))
    return told(
      'the server’s certificate is from no CA that is trusted',
      'Set tls.ca to a PEM file with the CA that issued it; where the server leaves out an intermediate certificate, with that one too.',
    );
  return told(
    `the server’s certificate is refused: ${error.message}`,
    'Check the server’s certificate and its chain, and tls.ca.',
  );
}

/** What `error`, which ended `socket` in its handshake, says; null: it has nothing to do with TLS. */
export function tlsFailure(error: NodeJS.ErrnoException | null, socket: Dialled): TlsFailure | null {
  const { secure } = socket;
  if (secure === null || secure.phase === 'connecting' || secure.phase === 'established') return null;
  const code = error?.code ?? 'ECONNRESET';
  if (secure.phase === 'verifying' && error !== null) return certificateFailure(error, code, socket);
  if (error === null || code === 'ECONNRESET' || code === 'EPIPE')
    return {
      kind: 'protocol',
      code,
      message: 'the server closed the connection in the TLS handshake',
      hint: 'Look at the server’s log: it may not speak TLS at this port, not know this name (tls.serverName), or want a client certificate (tls.cert, tls.key).',
    };
  const alert = alertFailure(error.message, code);
  if (alert !== null) return alert;
  if (NO_TLS.has(code))
    return {
      kind: 'protocol',
      code,
      message: `what answers at this port does not speak TLS (${reasonOf(error.message)})`,
      hint: 'Check the port; where the server speaks plain HTTP, call it with http://, without tls.originate.',
    };
  return {
    kind: 'protocol',
    code,
    message: `the TLS handshake failed: ${reasonOf(error.message)}`,
    hint: 'Check what the server speaks at this port, and tls.minVersion.',
  };
}

/** Files of ours that no connection can be opened with. */
export function filesFailure(error: TlsFileError): TlsFailure {
  return {
    kind: 'files',
    code: 'TLS_FILES',
    message: `tls.${error.setting}: ${error.message}`,
    hint: 'Check the file and the volume that it is mounted from; it is read again with the next request.',
  };
}

/** The handshake is over and agreed on nothing that may be spoken. */
export function alpnFailure(wanted: string, got: string | null): TlsFailure {
  return {
    kind: 'protocol',
    code: 'ALPN',
    message: `the server agreed on ${got === null ? 'no protocol (ALPN)' : got}, where ${wanted} is a must`,
    hint: 'Set `protocol` of the destination to auto, or to what the server speaks.',
  };
}
