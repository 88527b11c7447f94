import type { Config } from '../../src/config.js';
import type { Address } from './api.js';

/** The settings by which code under test speaks to that node's agent; says for every other setting what its default is. */
export function testConfig(
  node: Address,
  own: Partial<Config> & Pick<Config, 'prefix' | 'stateDir'>,
): Config {
  return {
    host: node.host,
    port: node.port,
    protocol: 'http',
    ...(node.token === undefined ? {} : { token: node.token }),
    insecureSkipVerify: false,
    serviceManager: 'systemd',
    files: [],
    role: '',
    skippable: true,
    debug: false,
    logFormat: 'text',
    variables: {},
    ...own,
  };
}
