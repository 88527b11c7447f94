import type { Candidate } from '../run/types.js';
import { nameFault } from '../run/names.js';
import { MetronomeError } from '../errors.js';
import type { Client } from './client.js';

/** The service that nodes with metronome register (deploy/consul); a step without a service goes to them. */
export const METRONOME_SERVICE = 'metronome';

interface HealthEntry {
  Node: { Node: string; Meta?: Record<string, string> | null };
  Service: { ID: string; Tags?: string[] | null };
  Checks: { CheckID: string; Status: string }[];
}

/**
 * The nodes that a step is for, with what is known of each. Without a service: every node with the service
 * `metronome`; where no node has it, every node of the catalog.
 * Names that could not become part of a key are left out, with `warn`.
 */
export async function candidates(
  client: Client,
  step: { service?: string; tag?: string },
  warn: (text: string) => void,
): Promise<Candidate[]> {
  let found = await ofService(
    client,
    step.service ?? METRONOME_SERVICE,
    step.service === undefined ? undefined : step.tag,
  );
  if (found.length === 0 && step.service === undefined) found = await everyNode(client);
  return found.filter((candidate) => {
    const fault = nameFault(candidate.node);
    if (fault !== undefined) warn(`a node of the catalog is left out: its name ${fault}`);
    return fault === undefined;
  });
}

async function ofService(client: Client, service: string, tag: string | undefined): Promise<Candidate[]> {
  const entries = await client.call<HealthEntry[]>(
    `read the health of service ${service}`,
    (consul, options) =>
      consul.health.service({ service, ...(tag === undefined ? {} : { tag }), ...options } as never),
  );
  const byNode = new Map<string, Candidate>();
  for (const entry of entries) {
    const node = entry.Node.Node;
    const alive = !entry.Checks.some(
      (check) => check.CheckID === 'serfHealth' && check.Status === 'critical',
    );
    const passing = entry.Checks.every((check) => check.Status === 'passing');
    const tags = entry.Service.Tags ?? [];
    const before = byNode.get(node);
    byNode.set(node, {
      node,
      alive: alive && (before?.alive ?? true),
      passing: passing && (before?.passing ?? true),
      tags: before === undefined ? tags : [...before.tags, ...tags],
      meta: entry.Node.Meta ?? {},
    });
  }
  return [...byNode.values()];
}

async function everyNode(client: Client): Promise<Candidate[]> {
  const [nodes, critical] = await Promise.all([
    client.call<{ Node: string; Meta?: Record<string, string> | null }[]>(
      'list the nodes',
      (consul, options) => consul.catalog.node.list(options as never),
    ),
    client.call<{ Node: string; CheckID: string }[]>('list critical checks', (consul, options) =>
      consul.health.state({ state: 'critical', ...options } as never),
    ),
  ]);
  const down = new Set(critical.filter((check) => check.CheckID === 'serfHealth').map((check) => check.Node));
  return nodes.map((node) => ({
    node: node.Node,
    alive: !down.has(node.Node),
    passing: !down.has(node.Node),
    tags: [],
    meta: node.Meta ?? {},
  }));
}

/** How many instances of a service are passing, of how many. */
export async function passing(
  client: Client,
  service: string,
  tag?: string,
): Promise<{ passing: number; all: number }> {
  const entries = await client.call<HealthEntry[]>(
    `read the health of service ${service}`,
    (consul, options) =>
      consul.health.service({ service, ...(tag === undefined ? {} : { tag }), ...options } as never),
  );
  return {
    passing: entries.filter((entry) => entry.Checks.every((check) => check.Status === 'passing')).length,
    all: entries.length,
  };
}

/** The name of the agent that we talk to, as the catalog has it. */
export async function agentName(client: Client): Promise<string> {
  const self = await client.call<{ Config?: { NodeName?: string } }>(
    'ask the agent for its name',
    (consul, options) => consul.agent.self(options),
    'agent:read on this node',
  );
  const name = self.Config?.NodeName;
  const fault = nameFault(name);
  if (fault !== undefined) throw new MetronomeError(`the Consul agent's node name ${fault}: set --node`);
  return name as string;
}

type AgentServices = Record<string, { ID: string; Service: string; Tags?: string[] | null }>;

/** The agent's own services in a form that can be compared: `id name tag,tag`, sorted. */
export async function agentServices(client: Client): Promise<string[]> {
  const services = await client.call<AgentServices>("list the agent's services", (consul, options) =>
    consul.agent.service.list(options),
  );
  return describe(services);
}

/** The same as the catalog has it for a node, which follows the agent with a delay; undefined: it knows no such node. */
export async function catalogServices(client: Client, node: string): Promise<string[] | undefined> {
  const answer = await client.call<{ Services?: AgentServices } | null | undefined>(
    `read node ${node}`,
    (consul, options) => consul.catalog.node.services({ node, ...options } as never),
  );
  return answer?.Services ? describe(answer.Services) : undefined;
}

function describe(services: AgentServices): string[] {
  return Object.values(services)
    .map((service) => `${service.ID} ${service.Service} ${[...(service.Tags ?? [])].sort().join(',')}`)
    .sort();
}
