import { AppError } from '@posthorn/errors/app-error.js';
import { type ErrorCode } from '@posthorn/errors/registry.js';
import { PutPolicy } from './put-policy.js';

const ACTOR = { id: 'key_1', kind: 'tenant', remoteAddress: '' };
const KEYWORDS = { optOut: ['lopeta'], optIn: [], help: [] };
const REQUEST = {
  tenantId: 'ten_1',
  actorId: 'key_1',
  policyJson: '{}',
  expectedVersion: 4,
  isOperator: false,
};
type Client = ConstructorParameters<typeof PutPolicy>;

/** Both services by hand: what they were asked in which order, and what the nth call answers instead. */
function start(failures: Readonly<Record<number, ErrorCode>> = {}, pending: readonly string[] = []) {
  const asked: string[] = [];
  const take = (what: string): void => {
    const code = failures[asked.push(what)];
    if (code !== undefined) throw new AppError(code);
  };
  const putPolicy = async ({ dryRun, expectedVersion }: { dryRun?: boolean; expectedVersion: number }) => {
    await Promise.resolve();
    take(dryRun === true ? 'check' : 'write');
    return { version: expectedVersion + 1, policyJson: JSON.stringify({ keywords: KEYWORDS }) };
  };
  const setTenantKeywords = async (request: {
    keepFormer: boolean;
    policyVersion: number;
    keywords: object;
  }) => {
    await Promise.resolve();
    expect(request.keywords).toEqual(KEYWORDS);
    take(request.keepFormer ? 'announce' : `replace ${request.policyVersion}`);
    return { applied: { version: 9n, pending } };
  };
  const [compliance, tenants] = [
    { policies: { putPolicy } },
    { keywords: { setTenantKeywords } },
  ] as unknown as Client;
  return { put: () => new PutPolicy(compliance, tenants).run(ACTOR, REQUEST), asked };
}

test('E1 the words are at the edge before the policy says so, and the former ones until it does', async () => {
  const { put, asked } = start({}, ['ingress/1']);
  expect(await put()).toEqual({ pending: ['ingress/1'] });
  expect(asked).toEqual(['check', 'announce', 'write', 'replace 5']);
});

test('E1 a policy that cannot be written touches no word', async () => {
  const { put, asked } = start({ 1: 'request.invalid' });
  await expect(put()).rejects.toMatchObject({ code: 'request.invalid' });
  expect(asked).toEqual(['check']);
});

test('E1 without the words at the edge the policy is not written', async () => {
  const { put, asked } = start({ 2: 'service.unavailable' });
  await expect(put()).rejects.toMatchObject({ code: 'service.unavailable' });
  expect(asked).toEqual(['check', 'announce']);
});

test('E1 cut off before the policy is written: the former words still stand, and the answer is an error', async () => {
  const { put, asked } = start({ 3: 'service.unavailable' });
  await expect(put()).rejects.toMatchObject({ code: 'service.unavailable' });
  expect(asked).toEqual(['check', 'announce', 'write']);
});

test('E1 cut off after the policy is written: it is answered as written, with tenants pending', async () => {
  expect(await start({ 4: 'service.unavailable' }).put()).toEqual({ pending: ['tenants'] });
  await expect(start({ 4: 'tenant.not_found' }).put()).rejects.toMatchObject({ code: 'tenant.not_found' });
});
