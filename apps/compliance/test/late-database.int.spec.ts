import { eventually } from '@posthorn/testing/eventually.js';
import { startBlocked } from '@posthorn/testing/start-blocked.js';
import { House } from './harness.js';

test('I3 a replica that starts before the database takes its role waits for it', async () => {
  // Would break: at a first install it would end and be started again until the migrations have run.
  const house = await House.open('compliance late');
  try {
    await house.db.admit(false);
    const late = await startBlocked(
      () => house.start(),
      () => house.db.admit(true),
    );
    await eventually(() => expect(late.process.health.readiness().isReady).toBe(true), { timeoutMs: 15_000 });
  } finally {
    await house.close();
  }
});
