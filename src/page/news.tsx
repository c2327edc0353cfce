import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Finding } from '../status/types.ts';
import type { Hearing } from './live-feed.ts';

/** Milliseconds between two announcements at least. */
const QUIET_MS = 10_000;

type Props = { readonly findings: readonly Finding[] | null; readonly hearing: Hearing };

/** Says to a screen reader what is new: a finding that was not there before, and when the sidecar goes and comes back. */
export function News({ findings, hearing }: Props): JSX.Element {
  const known = useRef<ReadonlySet<string> | null>(null);
  const waiting = useRef<string[]>([]);
  const away = useRef(false);
  const saidAt = useRef(Number.NEGATIVE_INFINITY);
  const [words, setWords] = useState('');

  useEffect(() => {
    if (findings === null) return;
    const now = new Map(findings.map((finding) => [keyOf(finding), finding]));
    if (known.current !== null) {
      for (const [key, { severity, title }] of now)
        if (!known.current.has(key)) waiting.current.push(`New ${severity}: ${title}`);
      if (known.current.size > 0 && now.size === 0) waiting.current.push('Nothing needs attention any more.');
    }
    known.current = new Set(now.keys());
  }, [findings]);

  useEffect(() => {
    if (hearing === 'gone' && !away.current) waiting.current.push('The sidecar does not answer.');
    if (hearing === 'live' && away.current) waiting.current.push('The sidecar answers again.');
    if (hearing === 'gone' || hearing === 'live') away.current = hearing === 'gone';
  }, [hearing]);

  useEffect(() => {
    const timer = setInterval(() => {
      if (waiting.current.length === 0 || performance.now() - saidAt.current < QUIET_MS) return;
      const [first = '', ...others] = waiting.current.splice(0);
      saidAt.current = performance.now();
      setWords(others.length === 0 ? first : `${first} And ${others.length} more.`);
    }, 1000);
    return () => clearInterval(timer);
  }, []);

  return (
    <div class="hidden" role="status">
      {words === '' ? null : words}
    </div>
  );
}

function keyOf({ code, destination }: Finding): string {
  return `${code} ${destination ?? ''}`;
}
