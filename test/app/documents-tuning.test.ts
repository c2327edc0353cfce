import { followPage } from './follow-page.ts';

followPage('docs/tasks/tuning.md');
