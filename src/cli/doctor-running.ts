import type { DoctorContext, FindingSink } from './doctor-finding.ts';
import { runningSidecar } from './doctor-status.ts';
import { type JsonObject, listAt, textAt, textsAt } from './json-reader.ts';

/** One destination may be wrong in several ways; the status page has them all. */
const MOST = 20;

/** What the running sidecar says is the matter, from its `/status`: exhausted pools, flapping endpoints, wrong proxy variables. */
export async function checkRunning(context: DoctorContext, findings: FindingSink): Promise<void> {
  const running = await runningSidecar(context);
  switch (running.kind) {
    case 'nowhere':
      return findings.ok('not asked: there is neither an operator port nor a control socket to ask');
    case 'absent':
      // The check of the operator port says so, unless the user named another place.
      if (context.named !== null) findings.fail(running.message, 'Name the sidecar that is meant, or start it.');
      return;
    case 'old':
      return findings.ok('not asked: the sidecar is older than this command, and has no /status');
    case 'odd':
      return findings.warn(
        `/status answers ${running.status}, and not as carpool does`,
        'Look at its log, or ask again: it may have been busy.',
      );
    case 'told':
      tellAll(listAt(running.status, 'findings'), findings);
  }
}

function tellAll(told: readonly JsonObject[], findings: FindingSink): void {
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
  const remedy = textsAt(finding, 'remedies').join(' ');
  const severity = textAt(finding, 'severity');
  if (severity === 'error') findings.fail(message, remedy, textsAt(finding, 'lines'));
  else if (severity === 'warning') findings.warn(message, remedy, textsAt(finding, 'lines'));
  else findings.ok(message);
}
