import { Controller } from '@nestjs/common';
import { DeleteTenant } from '../application/delete-tenant.js';
import { TenantsClient } from '../clients/tenants.client.js';
import { signingKeyOf, signingKeys, tenantDeletion } from './receipts.dto.js';
import { type Call, CallOf, Route } from './route.js';

/** What the platform has signed, and what with. */
@Controller()
export class ReceiptsController {
  constructor(
    private readonly tenants: TenantsClient,
    private readonly deleting: DeleteTenant,
  ) {}

  @Route({
    method: 'GET',
    path: '/v1/signing-keys',
    tag: 'Receipts',
    summary: 'Public keys that receipts and checkpoints of audit logs are verified with, newest first',
    access: { principal: 'public' },
    status: 200,
    response: signingKeys,
  })
  async keys() {
    const { keys } = await this.tenants.receipts.listSigningKeys({}, this.tenants.read);
    return { data: keys.map(signingKeyOf) };
  }

  @Route({
    method: 'GET',
    path: '/v1/tenant-deletions/{id}',
    tag: 'Receipts',
    summary: 'The receipt of a deleted tenant, by its ID: what is destroyed, removed, and still open',
    access: { principal: 'operator', scope: 'tenants:read' },
    status: 200,
    response: tenantDeletion,
    errors: ['tenant.not_found'],
  })
  async deletion(@CallOf() { params }: Call) {
    return this.deleting.receipt(params['id']!);
  }
}
