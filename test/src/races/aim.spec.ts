import { Random } from '../wire/random.js';
import { Aim } from './aim.js';

const SPREAD_MS = 60;

test('messages that waited for a service that was away do not move the aim', () => {
  // Would break: for the next dozens of races STOP would come seconds late, and none of them would be close.
  const aim = new Aim(new Random(1));
  for (let n = 0; n < 15; n++) aim.onArrival(80);
  for (let n = 0; n < 15; n++) aim.onArrival(2_500);
  for (let n = 0; n < 50; n++) expect(Math.abs(aim.next() - 80)).toBeLessThanOrEqual(SPREAD_MS);
});

test('how long a message takes is not known before one is at the provider, and then it is, even a late one', () => {
  const aim = new Aim(new Random(3));
  expect(aim.sendMs).toBeUndefined();
  aim.onArrival(4_700);
  expect(aim.sendMs).toBe(4_700);
  for (let n = 0; n < 2; n++) aim.onArrival(80);
  expect(aim.sendMs).toBe(80);
});
