import type { ErrorRow } from '../status/types.ts';
import { memo } from './memo.ts';
import { number, timeOfDay } from './words.ts';

type Props = { readonly errors: readonly ErrorRow[]; readonly about: string | null };

/** The errors that carpool answered itself, by code: how often, in which words, and what to do about it. */
export const ErrorsTable = memo(({ errors, about }: Props) => (
  <section aria-label="Errors">
    {errors.length === 0 ? (
      <p class="none">carpool has answered no request with an error of its own{about === null ? '' : ' here'}.</p>
    ) : (
      <ul class="errors">
        {errors.map((error) => (
          <Item key={`${error.code} ${error.destination}`} error={error} />
        ))}
      </ul>
    )}
  </section>
));

const Item = memo(({ error }: { readonly error: ErrorRow }) => (
  <li data-code={error.code}>
    <h3>
      <code>{error.code}</code> <span class="times">{number(error.count)} ×</span>
      <span class="answered">{error.status === 0 ? 'nobody was left to answer' : `answered ${error.status}`}</span>
      {error.destination !== '-' && <span class="at">{error.destination}</span>}
    </h3>
    <p class="last">
      Last at <time dateTime={new Date(error.lastTime).toISOString()}>{timeOfDay(error.lastTime)}</time>:{' '}
      {error.lastMessage}
    </p>
    <p class="hint">{error.hint}</p>
  </li>
));
