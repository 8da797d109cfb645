import fc from 'fast-check';
import { isValidAt, planRotation, PREVIOUS_SECRETS_MAX, type SecretInfo } from './secret.js';

const secret = (secretId: string, status: SecretInfo['status'], expiresAtMs: number | null): SecretInfo => ({
  secretId,
  status,
  expiresAtMs,
  createdAtMs: 0,
  lastMatchedAtMs: null,
});

test('B7 the former secret is accepted during the overlap and not a millisecond longer', () => {
  const plan = planRotation([secret('a', 'current', null)], 60, 1_000);
  expect(plan).toEqual({ previous: [{ secretId: 'a', expiresAtMs: 61_000 }], revoked: [] });
  const previous = secret('a', 'previous', 61_000);
  expect([isValidAt(previous, 60_999), isValidAt(previous, 61_000)]).toEqual([true, false]);
});

test('B7 no overlap means at once', () => {
  expect(planRotation([secret('a', 'current', null)], 0, 1_000)).toEqual({ previous: [], revoked: ['a'] });
});

test('B7 any sequence of rotations leaves one current and a bounded number of valid secrets', () => {
  // An unbounded number would make each request cost as many signature checks.
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat({ max: 100 }), fc.nat({ max: 200_000 })), { maxLength: 30 }),
      (steps) => {
        let [nowMs, secrets] = [0, [secret('0', 'current', null)]];
        steps.forEach(([overlapSeconds, waitMs], step) => {
          nowMs += waitMs;
          let plan;
          try {
            plan = planRotation(secrets, overlapSeconds, nowMs);
          } catch {
            expect(overlapSeconds).toBeGreaterThan(0);
            return;
          }
          const expiry = new Map(plan.previous.map(({ secretId, expiresAtMs }) => [secretId, expiresAtMs]));
          secrets = secrets.map((old) =>
            expiry.has(old.secretId)
              ? secret(old.secretId, 'previous', expiry.get(old.secretId)!)
              : plan.revoked.includes(old.secretId)
                ? secret(old.secretId, 'revoked', null)
                : old,
          );
          secrets.push(secret(String(step + 1), 'current', null));
          expect(secrets.filter(({ status }) => status === 'current')).toHaveLength(1);
          expect(secrets.filter((each) => isValidAt(each, nowMs)).length).toBeLessThanOrEqual(
            1 + PREVIOUS_SECRETS_MAX,
          );
        });
      },
    ),
  );
});

test.each([-1, 1.5, Number.NaN, 31 * 86_400])('an overlap of %p seconds is refused', (overlap) => {
  expect(() => planRotation([], overlap, 0)).toThrow('overlapSeconds');
});
