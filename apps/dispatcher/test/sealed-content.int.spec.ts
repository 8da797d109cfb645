import { formatId, newUuid, uuidText } from '@posthorn/clock/id.js';
import type { TestDatabase } from '@posthorn/testing/test-database.js';
import { ROLES } from '../src/persistence/roles.js';
import { SealedContentRead } from '../src/persistence/sealed-content.read.js';
import { SealedContentController } from '../src/transport/sealed-content.grpc.js';
import { dispatchDatabase } from './dispatcher.fixture.js';

const DAY_MS = 86_400_000;
const NOW_MS = Date.UTC(2026, 10, 26);
let database: TestDatabase;
beforeAll(async () => {
  database = await dispatchDatabase('sealed-content');
});
afterAll(() => database.drop());

const content = (tenant: Buffer, madeAtMs: number) =>
  database.query(
    `INSERT INTO dispatch.command_content (tenant_id, message_id, person_hash, data_key_id, body, event_content)
     VALUES ($1, $2, '', $1, '', '')`,
    [uuidText(tenant), uuidText(newUuid(madeAtMs))],
  );

test('E6 tells events of the oldest content that is kept of each tenant, and refuses what is no such question', async () => {
  const [many, one, none] = [newUuid(1), newUuid(2), newUuid(3)];
  for (const age of [3, 40, 400, 0]) await content(many, NOW_MS - age * DAY_MS);
  await content(one, NOW_MS - 20 * DAY_MS);
  const controller = new SealedContentController(new SealedContentRead(database.database(ROLES.worker)));
  const [manyId, oneId, noneId] = [many, one, none].map((tenant) => formatId('ten', tenant)) as [
    string,
    string,
    string,
  ];
  const { contents } = await controller.listOldestContents({ tenantIds: [noneId, oneId, manyId] });
  expect(new Map(contents.map(({ tenantId, madeAtMs }) => [tenantId, madeAtMs]))).toEqual(
    new Map([
      [manyId, NOW_MS - 400 * DAY_MS],
      [oneId, NOW_MS - 20 * DAY_MS],
    ]),
  );
  for (const tenantIds of [[], Array.from({ length: 501 }, () => oneId)])
    await expect(controller.listOldestContents({ tenantIds })).rejects.toMatchObject({
      code: 'request.invalid',
    });
  await expect(controller.listOldestContents({ tenantIds: ['acme'] })).rejects.toMatchObject({
    code: 'tenant.not_found',
  });
});
