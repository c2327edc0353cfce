import { createPatch } from 'rfc6902';
import type { JsonObject } from '../discovery/kubernetes/json-value.ts';
import type { Injection } from '../injection/inject.ts';
import type { InjectionSettings } from '../injection/settings.ts';
import type { Review, ReviewAnswer } from './admission-review.ts';
import { shortArrays } from './array-patch.ts';

/** What came of a question: as a label of the metrics and in the log. `ignored`: it was not about a new pod. */
export type Outcome = 'injected' | 'unchanged' | 'skipped' | 'failed' | 'ignored';

export type Verdict = {
  readonly outcome: Outcome;
  /** Why a pod was skipped, or null. */
  readonly reason: string | null;
  /** What went wrong, or null. */
  readonly error: unknown;
  readonly answer: ReviewAnswer;
};

/** The function that injects; it may throw. */
export type Inject = (pod: JsonObject, settings: InjectionSettings) => Injection;

/**
 * Decides on a pod. Never throws: a pod whose injection fails starts without a sidecar, with a warning, for a fault in here
 * must not keep an app from running.
 * @param settings null: they have not been read, or were wrong from the start
 */
export function decide(review: Review, settings: InjectionSettings | null, inject: Inject): Verdict {
  const { uid, pod } = review;
  if (pod === null)
    return {
      outcome: 'ignored',
      reason: null,
      error: null,
      answer: { uid, patch: [], warnings: [], auditAnnotations: {} },
    };
  if (settings === null) return failed(uid, new Error('the settings of the webhook cannot be read'));
  try {
    const { outcome, reason, warnings, pod: after } = inject(pod, settings);
    const patch = outcome === 'injected' ? createPatch(pod, after, shortArrays) : [];
    const auditAnnotations = { outcome, ...(reason === null ? {} : { reason }) };
    return { outcome, reason, error: null, answer: { uid, patch, warnings, auditAnnotations } };
  } catch (error) {
    return failed(uid, error);
  }
}

function failed(uid: string, error: unknown): Verdict {
  const warnings = ['carpool: the pod starts without a sidecar, for the webhook failed: its log has the details'];
  return {
    outcome: 'failed',
    reason: null,
    error,
    answer: { uid, patch: [], warnings, auditAnnotations: { outcome: 'failed' } },
  };
}
