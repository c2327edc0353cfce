import { render } from 'preact';
import { App } from './app.tsx';
import { storedTheme, wear } from './theme.ts';

wear(storedTheme());
const page = document.querySelector('#page');
if (page !== null) {
  page.replaceChildren();
  render(<App />, page);
}
