import { followPage } from './follow-page.ts';

followPage('docs/tasks/external-api.md');
