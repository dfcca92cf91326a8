// Lists of addresses and networks.
import { type BlockList, isIP } from 'node:net';

const familyOf = (address: string) => (isIP(address) === 6 ? 'ipv6' : 'ipv4');

/** Adds an address, or a network such as `10.0.0.0/8`. Returns false when the text is neither. */
export function addNetwork(list: BlockList, text: string): boolean {
  const [address = '', bits, ...more] = text.split('/');
  if (isIP(address) === 0 || more.length > 0) return false;
  const limit = isIP(address) === 4 ? 32 : 128;
  if (bits === undefined) list.addAddress(address, familyOf(address));
  else if (/^[0-9]{1,3}$/.test(bits) && Number(bits) <= limit) {
    list.addSubnet(address, Number(bits), familyOf(address));
  } else return false;
  return true;
}

/** Whether the text is an address in the list. */
export const isListed = (list: BlockList, address: string): boolean =>
  isIP(address) !== 0 && list.check(address, familyOf(address));
