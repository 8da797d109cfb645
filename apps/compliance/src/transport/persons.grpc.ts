import { Controller } from '@nestjs/common';
import { formatId } from '@posthorn/clock/id.js';
import {
  type ErasePersonRequest,
  type ErasePersonResponse,
  type GetPersonKeyChangeRequest,
  type GetPersonKeyChangeResponse,
  type LinkPersonsRequest,
  type LinkPersonsResponse,
  type ListPersonHistoryRequest,
  type ListPersonHistoryResponse,
  type LookupPersonRequest,
  type LookupPersonResponse,
  type PersonQueryServiceController,
  PersonQueryServiceControllerMethods,
  type PersonServiceController,
  PersonServiceControllerMethods,
  type PurgeTenantRequest,
  type PurgeTenantResponse,
} from '@posthorn/contracts/posthorn/compliance/v1/compliance.js';
import { TenantPurge } from '@posthorn/postgres/tenant-purge.js';
import { ApplyWaiting } from '../application/apply-waiting.js';
import { ErasePerson } from '../application/erase-person.js';
import { LinkPersons } from '../application/link-persons.js';
import { ReadPersons } from '../application/read-persons.js';
import { afterOf, pageLimit, pageOf } from './page.js';
import { historyMessage } from './persons.dto.js';
import { suppressionMessage } from './suppressions.dto.js';

/** One person, across channels and time. */
@Controller()
@PersonQueryServiceControllerMethods()
export class PersonQueryController implements PersonQueryServiceController {
  constructor(private readonly read: ReadPersons) {}

  async lookupPerson({ tenantId, ...who }: LookupPersonRequest): Promise<LookupPersonResponse> {
    const { hashes, suppressions } = await this.read.lookup(tenantId, who);
    const [personId, ...linkedPersonIds] = hashes.map((hash) => formatId('per', hash)) as [string];
    return {
      ...{ personId, linkedPersonIds, personHashes: hashes },
      suppressions: suppressions.map(suppressionMessage),
    };
  }

  async listPersonHistory(request: ListPersonHistoryRequest): Promise<ListPersonHistoryResponse> {
    const { tenantId, personId } = request;
    const limit = pageLimit(request.limit);
    const found = await this.read.history(tenantId, personId, afterOf(request.cursor), limit + 1);
    const { page, nextCursor } = pageOf(found, limit, ({ at, key }) => [at, key]);
    return { entries: page.map(historyMessage), nextCursor };
  }

  async getPersonKeyChange({ tenantId }: GetPersonKeyChangeRequest): Promise<GetPersonKeyChangeResponse> {
    const { generation, state, moved, ...change } = await this.read.keyChange(tenantId);
    return {
      ...{ generation, state, moved, startedAtMs: change.startedAtMs },
      ...{ completedAtMs: change.completedAtMs ?? 0, formerDestroyed: change.isFormerDestroyed },
    };
  }
}

/** The caller waits for 5 s; what is not done by then is done afterwards. */
const PURGE_WITHIN_MS = 1_500;

/** Changes to what is known of persons. */
@Controller()
@PersonServiceControllerMethods()
export class PersonController implements PersonServiceController {
  constructor(
    private readonly waiting: ApplyWaiting,
    private readonly link: LinkPersons,
    private readonly erase: ErasePerson,
    private readonly purge: TenantPurge,
  ) {}

  async linkPersons(request: LinkPersonsRequest): Promise<LinkPersonsResponse> {
    return { personIds: (await this.link.run(request)).map((hash) => formatId('per', hash)) };
  }

  async erasePerson(request: ErasePersonRequest): Promise<ErasePersonResponse> {
    await this.waiting.ofTenant(request.tenantId);
    return { erased: await this.erase.run(request) };
  }

  async purgeTenant({ tenantId }: PurgeTenantRequest): Promise<PurgeTenantResponse> {
    const { removed, ...state } = await this.purge.run(tenantId, PURGE_WITHIN_MS);
    return { ...state, removed: [...removed] };
  }
}
