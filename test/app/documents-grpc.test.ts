import { followPage } from './follow-page.ts';

followPage('docs/tasks/grpc.md');
