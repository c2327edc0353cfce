import type { CliDeps } from './deps.ts';
import { parseRunArguments } from './run-arguments.ts';

/**
 * The command line. `run` starts without loading any of the other commands.
 * @param argv what follows the program's name
 * @returns the exit code: 0 ok, 1 failure, 64 usage, 78 configuration
 */
export async function main(argv: readonly string[], deps: CliDeps): Promise<number> {
  if (argv[0] === 'run') {
    const options = parseRunArguments(argv.slice(1));
    if (options) return deps.run(options);
  }
  const { runProgram } = await import('./program.ts');
  return runProgram(argv, deps);
}
