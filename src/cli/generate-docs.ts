import { writeOrCheck } from '../config/written-files.ts';
import { cliPage } from './reference-page.ts';

/** Writes docs/cli.md from the commands; with --check it only says whether it is up to date (exit code 1 when not). */
if (import.meta.main) writeOrCheck('src/cli/generate-docs.ts', new Map([['docs/cli.md', cliPage()]]));
