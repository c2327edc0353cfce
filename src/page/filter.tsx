import type { ComponentChildren, JSX } from 'preact';

type Props = {
  readonly words: string;
  readonly value: string;
  readonly onInput: (value: string) => void;
  readonly shown: number;
  readonly total: number;
  readonly children?: ComponentChildren;
};

/** A field that narrows a table down as one types, and how much is left. `/` leads to it. */
export function Filter({ words, value, onInput, shown, total, children }: Props): JSX.Element {
  return (
    <div class="filter">
      <input
        type="search"
        aria-label={words}
        placeholder={`${words} ( / )`}
        value={value}
        autocomplete="off"
        spellcheck={false}
        onInput={(event) => onInput(event.currentTarget.value)}
      />
      {children}
      <span class="shown">{shown === total ? `${total} in all` : `${shown} of ${total}`}</span>
    </div>
  );
}
