import { dialledHost, showHostPattern } from '../config/addresses.ts';
import { CliError } from './deps.ts';
import type { DoctorContext, FindingSink } from './doctor-finding.ts';
import { call, type Reply, type Target } from './http-call.ts';
import { type JsonObject, listAt, parseObject, textAt } from './json-reader.ts';

const TIMEOUT_MS = 3000;
/** One destination may be wrong in several ways; the status page has them all. */
const MOST = 20;

/** What the running sidecar says is the matter, from its `/status`: exhausted pools, flapping endpoints, wrong proxy variables. */
export async function checkRunning(context: DoctorContext, findings: FindingSink): Promise<void> {
  const target = context.named ?? targetOf(context);
  if (target === null) {
    findings.ok('not asked: there is neither an operator port nor a control socket to ask');
    return;
  }
  const reply = await ask(target, context, findings);
  if (reply === null) return;
  if (reply.status === 404) {
    findings.ok('not asked: the sidecar is older than this command, and has no /status');
    return;
  }
  const told = reply.status === 200 ? read(reply.body) : null;
  if (told === null) {
    findings.warn(
      `/status answers ${reply.status}, and not as carpool does`,
      'Look at its log, or ask again: it may have been busy.',
    );
    return;
  }
  if (told.length === 0) findings.ok('the running sidecar has nothing to complain of');
  for (const finding of told.slice(0, MOST)) tell(finding, findings);
  if (told.length > MOST)
    findings.warn(
      `and ${told.length - MOST} more like these`,
      'The status page (/ of the operator port) has them all.',
    );
}

function tell(finding: JsonObject, findings: FindingSink): void {
  const destination = textAt(finding, 'destination');
  const title = textAt(finding, 'title');
  const about = destination === '' || title.includes(destination) ? title : `${destination}: ${title}`;
  const detail = textAt(finding, 'detail');
  const message = detail === '' ? about : `${about}. ${detail}`;
  const remedy = texts(finding, 'remedies').join(' ');
  const severity = textAt(finding, 'severity');
  if (severity === 'error') findings.fail(message, remedy, texts(finding, 'lines'));
  else if (severity === 'warning') findings.warn(message, remedy, texts(finding, 'lines'));
  else findings.ok(message);
}

/** Null where nobody answers: the check of the operator port says so, unless the user named another place. */
async function ask(target: Target, { clock, named }: DoctorContext, findings: FindingSink): Promise<Reply | null> {
  try {
    return await call(target, { method: 'GET', path: '/status?history=none', timeoutMs: TIMEOUT_MS }, clock);
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    if (named !== null) findings.fail(error.message, 'Name the sidecar that is meant, or start it.');
    return null;
  }
}

function targetOf({ config }: DoctorContext): Target | null {
  const { operator, control } = config;
  if (operator.enabled && operator.port !== 0) {
    const url = `http://${showHostPattern({ host: dialledHost(operator.host), port: operator.port })}`;
    return { kind: 'url', url, token: null };
  }
  return control.socket === null ? null : { kind: 'socket', path: control.socket };
}

/** Null where it is no answer of /status. */
function read(body: string): readonly JsonObject[] | null {
  try {
    const status = parseObject(body, '/status');
    return Array.isArray(status.get('findings')) ? listAt(status, 'findings') : null;
  } catch (error) {
    if (error instanceof CliError) return null;
    throw error;
  }
}

function texts(object: JsonObject, key: string): readonly string[] {
  const value = object.get(key);
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}
