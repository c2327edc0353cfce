import pino from 'pino';
import type { Inspector } from '../../src/admin/inspector.ts';
import type { Clock } from '../../src/clock.ts';
import { ErrorBook } from '../../src/status/error-book.ts';
import { FlapWatch } from '../../src/status/flap-watch.ts';
import type { SeenDestination } from '../../src/status/seen-destination.ts';
import { StatusModel } from '../../src/status/status-model.ts';
import { EventLog } from '../../src/telemetry/event-log.ts';

export type FakeStatus = {
  readonly model: StatusModel;
  readonly events: EventLog;
  readonly flaps: FlapWatch;
  readonly errors: ErrorBook;
  readonly destinations: SeenDestination[];
  readonly listening: { proxyUrl: string; requestSeen: boolean };
};

/** The model of `/status` over whatever is put into `destinations`; events go to no log. */
export function fakeStatus(clock: Clock, inspector: Pick<Inspector, 'process' | 'config'>): FakeStatus {
  const events = new EventLog({ logger: pino({ level: 'silent' }), clock });
  const flaps = new FlapWatch(clock, events);
  const errors = new ErrorBook(clock);
  const destinations: SeenDestination[] = [];
  const listening = { proxyUrl: 'http://127.0.0.1:14140', requestSeen: true };
  const model = new StatusModel({
    clock,
    inspector,
    destinations: () => destinations,
    labelOf: (name) => name,
    events,
    errors,
    flaps,
    configFile: null,
    listening,
  });
  return { model, events, flaps, errors, destinations, listening };
}
