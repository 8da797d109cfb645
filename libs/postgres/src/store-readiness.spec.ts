import { AppError } from '@posthorn/errors/app-error.js';
import { untilDurable } from './store-readiness.js';

/** A database that answers so, one try after the other; then well. */
function playedDatabase(...answers: Error[]) {
  const warnings: string[] = [];
  const log = { warn: (_fields: object, message: string) => void warnings.push(message) };
  let tries = 0;
  const verifyDurability = (): Promise<void> => {
    const answer = answers[tries++];
    return answer === undefined ? Promise.resolve() : Promise.reject(answer);
  };
  return { db: { verifyDurability }, log, warnings, tries: () => tries };
}

test('a service that is started before its database, or its role there, waits instead of ending', async () => {
  const away = new AppError('store.unavailable');
  const played = playedDatabase(away, away);
  await untilDurable(played.db, played.log);
  expect(played.tries()).toBe(3);
  expect(played.warnings).toHaveLength(1);
});

test('a database that may forget what it acknowledged is refused at once, and so is what nobody foresaw', async () => {
  for (const error of [new AppError('config.invalid', { detail: 'fsync=off' }), new Error('a bug')]) {
    const played = playedDatabase(error);
    await expect(untilDurable(played.db, played.log)).rejects.toBe(error);
    expect(played.tries()).toBe(1);
  }
});
