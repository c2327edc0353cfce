import type { SecureTarget } from './secure-socket.ts';

/** The parent proxy as a connection sees it: how it is spoken to. */
export interface ProxyHop {
  /** What it is called in errors: `http://proxy.corp:3128`. */
  readonly url: string;
  /** What TLS to it is opened with; null: it is spoken to in clear. @throws TlsFileError */
  secure(): SecureTarget | null;
  /** The line `proxy-authorization: …` with its CRLF as the credentials are now, or null: there are none. */
  credentials(): Buffer | null;
}
