import { generate } from 'selfsigned';

/** A server's certificate with its key, and the CA that signed it, all PEM. */
export type Certificates = { readonly ca: string; readonly cert: string; readonly key: string };

type Issued = { readonly cert: string; readonly key: string };

const EC = { keyType: 'ec', algorithm: 'sha256' } as const;
const authorities = new Map<string, Promise<Issued>>();
const issued = new Map<string, Promise<Certificates>>();

async function makeAuthority(name: string): Promise<Issued> {
  const made = await generate([{ name: 'commonName', value: `${name} CA` }], {
    ...EC,
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
    ],
  });
  return { cert: made.cert, key: made.private };
}

function authority(name: string): Promise<Issued> {
  const known = authorities.get(name) ?? makeAuthority(name);
  authorities.set(name, known);
  return known;
}

async function issue(name: string, host: string | null): Promise<Certificates> {
  const { cert: ca, key } = await authority(name);
  const made = await generate([{ name: 'commonName', value: host ?? 'kube-apiserver' }], {
    ...EC,
    ca: { cert: ca, key },
    extensions: [
      { name: 'basicConstraints', cA: false, critical: true },
      { name: 'keyUsage', digitalSignature: true, critical: true },
      { name: 'extKeyUsage', serverAuth: true, clientAuth: true },
      {
        name: 'subjectAltName',
        altNames:
          host === null
            ? [
                { type: 2, value: 'localhost' },
                { type: 7, ip: '127.0.0.1' },
                { type: 7, ip: '::1' },
              ]
            : [{ type: 2, value: host }],
      },
    ],
  });
  return { ca, cert: made.cert, key: made.private };
}

/**
 * A certificate of the CA called `name`; the same one each time in one process.
 * @param host what it is for in place of 127.0.0.1, ::1 and localhost
 */
export function certificates(name = 'first', host: string | null = null): Promise<Certificates> {
  const id = `${name} ${host}`;
  const known = issued.get(id) ?? issue(name, host);
  issued.set(id, known);
  return known;
}
