import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';

/** Milliseconds that the button says that it did. */
const SAID_MS = 2000;

/** Something to type or to set, and a button that takes it to the clipboard. */
export function CopyLines({ text }: { readonly text: string }): JSX.Element {
  const block = useRef<HTMLPreElement>(null);
  const [said, setSaid] = useState<'' | 'Copied' | 'Selected: press Ctrl+C'>('');
  useEffect(() => {
    if (said === '') return;
    const timer = setTimeout(() => setSaid(''), SAID_MS);
    return () => clearTimeout(timer);
  }, [said]);
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text);
      setSaid('Copied');
    } catch {
      // Not over plain HTTP from another machine: then the lines are at least selected.
      if (block.current !== null) getSelection()?.selectAllChildren(block.current);
      setSaid('Selected: press Ctrl+C');
    }
  };
  return (
    <div class="lines">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: long lines scroll, which the keyboard needs to reach */}
      <pre ref={block} tabIndex={0}>
        {text}
      </pre>
      <button type="button" onClick={copy}>
        <span aria-live="polite">{said === '' ? 'Copy' : said}</span>
      </button>
    </div>
  );
}
