import { VerifyAudit } from './verify-audit.js';

/** A log of so many entries, looked at 1,000 a call. @param badNumber of the entry that was changed. */
function verify(length: number, badNumber = 0) {
  let calls = 0;
  const verifyAudit = async ({ afterNumber }: { afterNumber: bigint }) => {
    calls += 1;
    const end = Math.min(length, Number(afterNumber) + 1_000);
    const isBad = badNumber > Number(afterNumber) && badNumber <= end;
    return {
      ...{ valid: !isBad, checkpoints: 1, outsideCheckpoints: 1, problem: isBad ? 'changed' : '' },
      entries: BigInt((isBad ? badNumber - 1 : end) - Number(afterNumber)),
      firstBadNumber: BigInt(isBad ? badNumber : 0),
      nextAfterNumber: BigInt(isBad || end === length ? 0 : end),
    };
  };
  const tenants = { audits: { verifyAudit }, long: { deadlineMs: 1 } };
  const verification = new VerifyAudit(tenants as unknown as ConstructorParameters<typeof VerifyAudit>[0]);
  return { run: (after: number) => verification.run('ten_a', after), calls: () => calls };
}

test('B8 a log is verified to its end in as many calls as it takes', async () => {
  const log = verify(3_500);
  expect(await log.run(0)).toMatchObject({ isValid: true, entries: 3_500, nextAfter: 0, checkpoints: 4 });
  expect(log.calls()).toBe(4);
});

test('B8 the first bad entry ends it, and is named', async () => {
  const log = verify(9_000, 2_345);
  expect(await log.run(0)).toMatchObject({
    isValid: false,
    firstBadNumber: 2_345,
    entries: 2_344,
    nextAfter: 0,
  });
  expect(log.calls()).toBe(3);
});

test('I8 one request looks at so much and no more, and says where to go on', async () => {
  const log = verify(25_000);
  expect(await log.run(0)).toMatchObject({ isValid: true, entries: 10_000, nextAfter: 10_000 });
  expect(await log.run(10_000)).toMatchObject({ entries: 10_000, nextAfter: 20_000 });
  expect(await log.run(20_000)).toMatchObject({ entries: 5_000, nextAfter: 0 });
});
