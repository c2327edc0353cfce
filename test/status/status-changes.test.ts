import t from 'tap';
import { StatusChanges } from '../../src/status/status-changes.ts';
import { FakeInspector } from '../telemetry/fake-inspector.ts';
import { fakeStatus } from '../telemetry/fake-status.ts';
import { TestClock } from '../test-clock.ts';
import { seen } from './seen.ts';

t.test('what happens while readers are told is left for the next update, which tells it once', async (t) => {
  const { model, events } = fakeStatus(new TestClock(), new FakeInspector());
  const changes = new StatusChanges(model);
  events.emit({ type: 'destination_added', destination: 'first.shop:80' });
  await changes.look();
  const first = await changes.snapshot();
  events.emit({ type: 'destination_added', destination: 'second.shop:80' });
  t.same((await changes.snapshot()).events, first.events, 'all readers of one moment see the same');
  const { events: told } = JSON.parse(`${await changes.look()}}`);
  t.match(told, [{ destination: 'second.shop:80' }]);
  t.equal(told.length, 1);
});

t.test('a look at thousands of destinations is made in slices, and shared by who asks meanwhile', async (t) => {
  const { model, destinations } = fakeStatus(new TestClock(), new FakeInspector());
  for (let index = 0; index < 5000; index++) destinations.push(seen(`${index}.shop:80`));
  let turns = 0;
  let looking = true;
  const turn = () => {
    turns++;
    if (looking) setImmediate(turn);
  };
  setImmediate(turn);
  const [one, other] = await Promise.all([model.look(), model.look()]);
  looking = false;
  t.equal(one, other);
  t.equal(one.destinations.length, 5000);
  t.ok(turns > 3, `the event loop turned ${turns} times`);
  t.not(await model.look(), one);
});
