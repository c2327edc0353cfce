import { generate } from 'selfsigned';

/** A certificate and its key, PEM. */
export type Issued = { readonly cert: string; readonly key: string };

export type Wanted = {
  /** Names that it is for; none: nobody's. */
  readonly names?: readonly string[];
  readonly addresses?: readonly string[];
  readonly notBefore?: Date;
  readonly notAfter?: Date;
};

const EC = { keyType: 'ec', algorithm: 'sha256' } as const;

/** Issues certificates for tests, for servers and clients alike. */
export class CertificateAuthority {
  /** Its own certificate, PEM. */
  readonly cert: string;
  readonly #key: string;

  private constructor(cert: string, key: string) {
    this.cert = cert;
    this.#key = key;
  }

  static async create(name: string): Promise<CertificateAuthority> {
    const made = await generate([{ name: 'commonName', value: name }], {
      ...EC,
      extensions: [
        { name: 'basicConstraints', cA: true, critical: true },
        { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
      ],
    });
    return new CertificateAuthority(made.cert, made.private);
  }

  /** @param subject the common name, which nobody checks */
  issue(subject: string, wanted: Wanted = { addresses: ['127.0.0.1'] }): Promise<Issued> {
    return make(subject, wanted, { cert: this.cert, key: this.#key });
  }
}

/** A certificate that nobody but its owner has signed. */
export const selfSigned = (subject: string, wanted: Wanted = { addresses: ['127.0.0.1'] }): Promise<Issued> =>
  make(subject, wanted, null);

async function make(subject: string, wanted: Wanted, ca: { cert: string; key: string } | null): Promise<Issued> {
  const made = await generate([{ name: 'commonName', value: subject }], {
    ...EC,
    ...(ca === null ? {} : { ca }),
    ...(wanted.notBefore === undefined ? {} : { notBeforeDate: wanted.notBefore }),
    ...(wanted.notAfter === undefined ? {} : { notAfterDate: wanted.notAfter }),
    extensions: [
      { name: 'basicConstraints', cA: false, critical: true },
      { name: 'keyUsage', digitalSignature: true, critical: true },
      { name: 'extKeyUsage', serverAuth: true, clientAuth: true },
      {
        name: 'subjectAltName',
        altNames: [
          ...(wanted.names ?? []).map((value) => ({ type: 2 as const, value })),
          ...(wanted.addresses ?? []).map((ip) => ({ type: 7 as const, ip })),
        ],
      },
    ],
  });
  return { cert: made.cert, key: made.private };
}
