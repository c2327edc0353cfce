import { LOG_LEVELS } from '../config/choices.ts';
import type { StatusModel } from '../status/status-model.ts';
import { type Answer, json } from './answer.ts';
import { configSources } from './config-sources.ts';
import type { Controller, Inspector } from './inspector.ts';
import { statsAnswer } from './operator-routes.ts';
import { statusAnswer, statusEndpoints } from './status-answers.ts';
import { unknownDestination } from './unknown-destination.ts';

export type ControlContext = {
  readonly controller: Controller;
  readonly inspector: Inspector;
  readonly status: StatusModel;
};

type Fields = ReadonlyMap<string, unknown>;
type Command = {
  readonly method: 'GET' | 'POST';
  /** Fields that the body may have. */
  readonly fields: readonly string[];
  readonly run: (context: ControlContext, fields: Fields, query: URLSearchParams) => Answer | Promise<Answer>;
};

const COMMANDS: Readonly<Record<string, Command>> = {
  '/reload': {
    method: 'POST',
    fields: [],
    run: async ({ controller }) => {
      const { applied, lines } = await controller.reload();
      return json(applied ? 200 : 422, { applied, lines });
    },
  },
  '/log-level': {
    method: 'POST',
    fields: ['level'],
    run: ({ controller }, fields) => {
      const level = fields.get('level');
      if (typeof level === 'string' && controller.setLogLevel(level)) return json(200, { level });
      return refused(`level must be one of ${LOG_LEVELS.join(', ')}`);
    },
  },
  '/evict': {
    method: 'POST',
    fields: ['destination', 'idle'],
    run: ({ controller, inspector }, fields) => {
      const destination = fields.get('destination') ?? null;
      const idleOnly = fields.get('idle') ?? false;
      if (destination !== null && typeof destination !== 'string')
        return refused('destination must be a string, host:port; leave it out for all destinations');
      if (typeof idleOnly !== 'boolean') return refused('idle must be true (only idle connections) or false');
      const evicted = controller.evict({ destination, idleOnly });
      return evicted === null ? unknownDestination(destination ?? '', inspector) : json(200, { evicted });
    },
  },
  '/pause': ofDestination((controller, destination) => {
    const changed = controller.pause(destination);
    return changed === null ? null : { changed, pauseTimeoutMs: controller.pauseTimeoutMs(destination) };
  }),
  '/resume': ofDestination((controller, destination) => {
    const changed = controller.resume(destination);
    return changed === null ? null : { changed };
  }),
  '/reconnect': ofDestination((controller, destination) => {
    const connections = controller.reconnect(destination);
    return connections === null ? null : { connections };
  }),
  '/stats': {
    method: 'GET',
    fields: [],
    run: ({ inspector }, _, query) => statsAnswer({ inspector }, { query, accept: undefined }),
  },
  '/config': {
    method: 'GET',
    fields: [],
    run: ({ inspector }) => json(200, configSources(inspector.loadedConfig())),
  },
  '/status': { method: 'GET', fields: [], run: (context, _, query) => statusAnswer(context, { query }) },
  '/status/endpoints': { method: 'GET', fields: [], run: (context, _, query) => statusEndpoints(context, { query }) },
};

/** A command about one destination, which has to be named: what holds requests up is not done to all by mistake. */
function ofDestination(
  run: (controller: Controller, destination: string) => Readonly<Record<string, unknown>> | null,
): Command {
  return {
    method: 'POST',
    fields: ['destination'],
    run: ({ controller, inspector }, fields) => {
      const destination = fields.get('destination');
      if (typeof destination !== 'string' || destination.trim() === '')
        return refused('destination must be a string: host:port, as the app calls it');
      const done = run(controller, destination);
      return done === null ? unknownDestination(destination, inspector) : json(200, { destination, ...done });
    },
  };
}

/** Looks up a command, or says what is wrong with the call. */
export function findCommand(method: string, path: string): Command | Answer {
  const command = COMMANDS[path];
  if (!command) {
    const commands = Object.entries(COMMANDS).map(([name, known]) => `${known.method} ${name}`);
    return json(404, { code: 'NOT_FOUND', message: `there is no command ${path}`, commands });
  }
  if (command.method === method) return command;
  const message = `${path} takes ${command.method}, not ${method}`;
  return json(405, { code: 'METHOD_NOT_ALLOWED', message }, { allow: command.method });
}

/** Runs a command; a field that it does not know is refused, for a misspelt one must not evict everything. */
export function runCommand(
  command: Command,
  context: ControlContext,
  fields: Fields,
  query: URLSearchParams,
): Answer | Promise<Answer> {
  for (const name of fields.keys())
    if (!command.fields.includes(name))
      return refused(`there is no field ${JSON.stringify(name)} here; known: ${command.fields.join(', ') || 'none'}`);
  return command.run(context, fields, query);
}

function refused(message: string): Answer {
  return json(400, { code: 'BAD_REQUEST', message });
}
