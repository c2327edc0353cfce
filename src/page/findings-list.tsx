import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { Finding } from '../status/types.ts';
import { SHAPES } from './badge.tsx';
import { CopyLines } from './copy-lines.tsx';
import { memo } from './memo.ts';
import { hashOf } from './place.ts';
import { count } from './words.ts';

/** So many are shown with all that they say, the others with their title until they are opened. */
const OPEN = 4;

type Props = { readonly findings: readonly Finding[]; readonly about: string | null; readonly open: boolean };

/** What is the matter, the worst first, each with what to do; or that nothing is. */
export const FindingsList = memo(({ findings, about, open }: Props) => (
  <section class="findings" aria-labelledby="findings-title">
    <h2 id="findings-title">{verdict(findings)}</h2>
    {findings.length === 0 ? (
      <p class="well">
        <span class="shape" aria-hidden="true">
          {SHAPES.good}
        </span>
        {about === null ? 'Nothing needs attention.' : 'Nothing needs attention here.'}
      </p>
    ) : (
      <ul>
        {findings.map((finding, index) => (
          <li key={`${finding.code} ${finding.destination ?? ''} ${nth(findings, index)}`}>
            <FindingCard finding={finding} open={open && index < OPEN} linked={about === null} />
          </li>
        ))}
      </ul>
    )}
  </section>
));

const WORDS = { error: 'Problem', warning: 'Warning', info: 'Note' };

type CardProps = { readonly finding: Finding; readonly open: boolean; readonly linked: boolean };

const FindingCard = memo(({ finding, open, linked }: CardProps) => {
  // Whether it is open is the reader's from the first click on.
  const [chosen, choose] = useState<boolean | null>(null);
  const { code, severity, destination, title, detail, remedies, lines } = finding;
  return (
    <details
      class={`finding ${severity}`}
      data-code={code}
      open={chosen ?? open}
      onToggle={(event) => {
        if (event.currentTarget.open !== (chosen ?? open)) choose(event.currentTarget.open);
      }}
    >
      <summary>
        <span class="shape" aria-hidden="true">
          {SHAPES[severity]}
        </span>
        <span class="severity">{WORDS[severity]}</span>
        {linked && destination !== null && <span class="where">{destination}</span>}
        <span class="title">{title}</span>
      </summary>
      <div class="body">
        <p>{detail}</p>
        <Remedies remedies={remedies} />
        {lines.map((line) => (
          <CopyLines key={line} text={line} />
        ))}
        {linked && destination !== null && (
          <p class="more">
            <a href={hashOf({ destination, view: 'endpoints' })}>Look at {destination}</a>
          </p>
        )}
      </div>
    </details>
  );
});

function Remedies({ remedies }: { readonly remedies: readonly string[] }): JSX.Element | null {
  if (remedies.length === 0) return null;
  return (
    <>
      <h3>What to do</h3>
      <ol>
        {remedies.map((remedy) => (
          <li key={remedy}>{remedy}</li>
        ))}
      </ol>
    </>
  );
}

function verdict(findings: readonly Finding[]): string {
  const errors = findings.filter(({ severity }) => severity === 'error').length;
  const warnings = findings.filter(({ severity }) => severity === 'warning').length;
  const parts = [
    ...(errors > 0 ? [count(errors, 'problem')] : []),
    ...(warnings > 0 ? [count(warnings, 'warning')] : []),
  ];
  return parts.length === 0 ? 'All is well' : parts.join(', ');
}

/** The how manieth of its code and destination it is: several endpoints of one destination may each have a finding. */
function nth(findings: readonly Finding[], index: number): number {
  const { code, destination } = findings[index] ?? {};
  return findings.slice(0, index).filter((other) => other.code === code && other.destination === destination).length;
}
