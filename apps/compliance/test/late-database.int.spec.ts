import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '@posthorn/testing/eventually.js';
import { House } from './harness.js';

test('I3 a replica that starts before the database takes its role waits for it', async () => {
  // Would break: at a first install it would end and be started again until the migrations have run.
  const house = await House.open('compliance late');
  try {
    await house.db.admit(false);
    let isServing = false;
    const starting = house.start().then((instance) => {
      isServing = true;
      return instance;
    });
    await delay(700); // time in which it could end
    expect(isServing).toBe(false);
    await house.db.admit(true);
    const late = await starting;
    await eventually(() => expect(late.process.health.readiness().isReady).toBe(true), { timeoutMs: 15_000 });
  } finally {
    await house.close();
  }
});
