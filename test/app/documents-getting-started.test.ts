import { followPage } from './follow-page.ts';

followPage('docs/getting-started.md');
