"""Conditions in the standard library's stubs, each answered once.

jedi asks for every name in a stub whether this platform and this Python have it, and infers `sys.platform != "win32"` and
the like anew each time. That was more than half of the time of a completion.
"""

import re

_COMPARISON = r"""sys\.(?:platform [!=]= (?:"\w+"|'\w+')|version_info [<>]=? \([\d, ]+\))"""
CONDITION = re.compile(r"%s(?: (?:and|or) %s)*" % (_COMPARISON, _COMPARISON))


def remember():
    """Nothing happens where jedi isn't as it was from 0.18 to 0.20."""
    from jedi.inference import flow_analysis
    check_if, unsure = flow_analysis._check_if, flow_analysis.UNSURE
    known = {}

    def check_if_once(context, node):
        if not context.is_stub():
            return check_if(context, node)
        condition = node.get_code(include_prefix=False)
        answer = known.get(condition)
        if answer is None:
            answer = check_if(context, node)
            # Of a platform jedi is never sure; of a version only in the midst of asking itself for it.
            if CONDITION.fullmatch(condition) and (answer is not unsure or "version_info" not in condition):
                known[condition] = answer
        return answer

    flow_analysis._check_if = check_if_once
