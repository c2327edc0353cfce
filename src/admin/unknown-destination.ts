import { showHostPattern } from '../config/addresses.ts';
import { type Answer, json } from './answer.ts';
import type { Inspector } from './inspector.ts';

/** The answer where no destination has that name: none at all, or none yet. */
export function unknownDestination(name: string, inspector: Pick<Inspector, 'config'>): Answer {
  const entry = inspector
    .config()
    .destinations.find(({ match, name: label }) => label === name || showHostPattern(match) === name);
  if (entry !== undefined)
    return json(404, {
      code: 'NO_SUCH_DESTINATION',
      message: `${name} is configured, but not used yet`,
      hint: 'It appears with its first request.',
    });
  return json(404, {
    code: 'NO_SUCH_DESTINATION',
    message: `no destination is called ${name}`,
    hint: 'Destinations are named host:port, as the app calls them; /stats lists them. One appears with its first request.',
  });
}
