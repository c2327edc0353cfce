import { showHostPattern } from '../config/addresses.ts';
import type { Config } from '../config/types.ts';
import { isIpLiteral } from '../discovery/ip-address.ts';
import { NoProxy } from '../egress/no-proxy.ts';
import type { DoctorContext, FindingSink } from './doctor-finding.ts';
import { probe } from './doctor-probe.ts';

const TIMEOUT_MS = 3000;

/** Whether the parent proxy takes connections; what it allows only a request would tell. */
export async function checkParentProxy({ config, clock }: DoctorContext, findings: FindingSink): Promise<void> {
  const { url: text } = config.egress.parentProxy;
  const url = URL.parse(text ?? '');
  if (url === null) return;
  const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port);
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const where = showHostPattern({ host, port });
  const result = await probe({ host, port }, { clock, timeoutMs: TIMEOUT_MS });
  if (result.kind === 'connected') findings.ok(`${where} takes connections`);
  else
    findings.fail(
      `no connection to ${where}: ${result.code}`,
      'Check egress.parentProxy.url, and whether a network policy lets this pod reach it.',
    );
}

/** Whether a name of DNS is called through the parent proxy. Services, and what the configuration writes, never are. */
export function goesByParentProxy({ egress }: Config, host: string, port: number): boolean {
  if (egress.parentProxy.url === null) return false;
  const name = host.replace(/\.$/, '');
  if (!name.includes('.') && !isIpLiteral(name)) return false;
  return !name.endsWith('.localhost') && !new NoProxy(egress.parentProxy.noProxy).covers(name, port);
}
