//! Seeds of the target for policies: each element, operator and condition key once, and invalid
//! policies.

/// Replaces abbreviations. `'` is the quotation mark, `ra:` is the prefix
/// `kms:RecipientAttestation:`, and `<ab>` is a measurement of 48 such bytes in hexadecimal.
fn expand(json: &str) -> Vec<u8> {
    let mut text = json.replace('\'', "\"").replace("ra:", "kms:RecipientAttestation:");
    for byte in ["00", "ab", "AB"] {
        text = text.replace(&format!("<{byte}>"), &byte.repeat(48));
    }
    text.into_bytes()
}

pub(super) fn inputs() -> Vec<Vec<u8>> {
    let mut inputs: Vec<Vec<u8>> = POLICIES.map(expand).into();
    for effect in ["Allow", "Deny"] {
        let statement = |condition: &str| {
            expand(&format!(
                "{{'Statement':{{'Effect':'{effect}','Action':'*','Resource':'*',\
                 'Condition':{{{condition}}}}}}}"
            ))
        };
        inputs.extend(CONDITIONS.map(statement));
    }
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        for depth in [16, 17, 200] {
            inputs.push([&open.repeat(depth), "1", &close.repeat(depth)].concat().into_bytes());
        }
    }
    let stars = format!("\"kms:{}b\"", "*a".repeat(100));
    let stars = String::from_utf8_lossy(&inputs[0]).replacen("\"kms:GenerateRandom\"", &stars, 1);
    inputs.push(stars.into_bytes());
    inputs.push(b"{\"Id\": \"\xff\"}".to_vec());
    // The next inputs are a truncated character, and two names that are longer in an error, because
    // the error escapes them.
    inputs.push(b"{\"Id\": \"\xe2\x82".to_vec());
    inputs.push(format!("{{\"{}\":1}}", "\u{7f}".repeat(400)).into_bytes());
    inputs.push("{\"\u{1b}\u{9b}\u{202e}\u{2028}\":1}".into());
    inputs
}

const POLICIES: [&str; 48] = [
    "{'Version':'2012-10-17','Id':'i','Statement':[{'Sid':'OneImage','Effect':'Allow','Action':'kms:GenerateRandom','Resource':'*','Condition':{'StringEqualsIgnoreCase':{'ra:ImageSha384':'<ab>'}}}]}",
    "{'Statement':[{'Effect':'Allow','Action':'*','Resource':'*'},{'Sid':'No','Effect':'Deny','Action':['KMS:generate*'],'Resource':['a','*']}]}",
    "{'Version':'2008-10-17','Statement':{'Effect':'Deny','NotAction':'kms:Describe*','NotResource':'arn:*'}}",
    "{'Statement':[{'Sid':'','Effect':'Allow','Action':'kms:?enerateRandom','NotResource':'*'},{'Sid':'','Effect':'Allow','Action':'ec2:*','Resource':'?'}]}",
    "{'Statement':{'Effect':'Allow','Action':'kms:GenerateRandom','Resource':'arn:aws:kms:eu-west-1:123456789012:key/*'}}",
    "{\n  'Version': '2012-10-17',\n\t'Statement': [\r\n  {'Effect': 'Allow',\n 'Action': [ 'a:b' , 'kms:*' ],\n 'Resource': '*' } ]\n}\n",
    "{'\\u0053tatement':{'Effect':'\\u0041llow','Action':'\\u002a','Resource':'*'}}",
    "{\r\n 'Id':'é',\r\n\t'é':1}",
    "{\r\n 'Id':'é',\n}",
    "",
    "{",
    "{}",
    "[]",
    "null",
    "1",
    "'x'",
    "\u{feff}{}",
    "{} x",
    "{'Id':1e999}",
    "{'Id':1e999\n}",
    "{'Id':1}",
    "{'Id':'\\ud800'}",
    "{'Id':'é','Id':'b'}",
    "{'Version':'2012-10-18','Statement':[]}",
    "{'Version':'2012-10-17'}",
    "{'Version':'2012-10-17','Statement':[]}",
    "{'Statement':{}}",
    "{'Statement':[1]}",
    "{'statement':{}}",
    "{'Statement':{'Effect':'allow','Action':'*','Resource':'*'}}",
    "{'Statement':{'Effect':'Allow','Resource':'*'}}",
    "{'Statement':{'Effect':'Allow','Action':'*'}}",
    "{'Statement':{'Effect':'Allow','Action':'*','NotAction':'*','Resource':'*'}}",
    "{'Statement':{'Effect':'Allow','Action':'*','Resource':'*','NotResource':'*'}}",
    "{'Statement':{'Effect':'Allow','Action':[],'Resource':'*'}}",
    "{'Statement':{'Effect':'Allow','Action':'GenerateRandom','Resource':'*'}}",
    "{'Statement':{'Effect':'Allow','Action':'*','Resource':'${aws:username}'}}",
    "{'Statement':{'Effect':'Allow','Action':'*','Resource':'*','Principal':'*'}}",
    "{'Statement':{'Effect':'Allow','Action':'*','Resource':'*','Comment':'é\\n'}}",
    "{'Statement':{'Effect':'Allow','Action':'*','Resource':'*','Condition':[]}}",
    "{'Statement':{'Effect':'Allow','Action':'*','Resource':'*','Condition':{}}}",
    "{'Statement':{'Sid':'a b','Effect':'Allow','Action':'*','Resource':'*'}}",
    "{'Statement':[{'Sid':'a','Effect':'Allow','Action':'*','Resource':'*'},{'Sid':'a','Effect':'Deny','Action':'*','Resource':'*'}]}",
    "{'Statement':{'Effect':'Allow','Effect':'Deny','Action':'*','Resource':'*'}}",
    "{'Statement':{'Effect':'Allow','Action':'*','Resource':null}}",
    "{'Statement':{'Effect':true,'Action':'*','Resource':'*'}}",
    "{'Statement':{'Effect':'Allow','Action':{'a':1},'Resource':'*'}}",
    "{'Statement':[[{'Effect':'Allow','Action':'*','Resource':'*'}]]}",
];

const CONDITIONS: [&str; 48] = [
    "'StringEquals':{'ra:PCR0':'<ab>','ra:PCR15':['<ab>','<00>']}",
    "'StringEquals':{'ra:NitroTPMPCR4':'<ab>'}",
    "'StringEquals':{'ra:PCR0':'<AB>'}",
    "'StringEqualsIgnoreCase':{'ra:PCR31':'<AB>'}",
    "'StringEqualsIgnoreCase':{'ra:PCR0':'<00>'}",
    "'StringNotEquals':{'ra:PCR0':'<00>'}",
    "'StringNotEqualsIgnoreCase':{'ra:ImageSha384':'<00>'}",
    "'StringNotEqualsIfExists':{'ra:PCR8':'<ab>'}",
    "'StringLike':{'ra:PCR0':'ab*','aws:PrincipalArn':['arn:aws:iam::*:role/wallet','*?']}",
    "'StringLike':{'ra:PCR0':'<00>'}",
    "'StringNotLike':{'aws:PrincipalArn':'arn:*:root'}",
    "'StringLikeIfExists':{'aws:SourceIp':'203.*'}",
    "'StringEquals':{'aws:SecureTransport':'false','aws:CurrentTime':'2027-01-15T08:00:00Z'}",
    "'StringEquals':{'aws:SourceIp':'203.0.113.7'}",
    "'Null':{'ra:ImageSha384':'false','aws:SourceIp':[true,'FALSE']}",
    "'Null':{'ra:PCR0':'maybe'}",
    "'NullIfExists':{'ra:PCR0':true}",
    "'Bool':{'aws:SecureTransport':'false'}",
    "'Bool':{'aws:SecureTransport':[true,false],'ra:PCR1':true}",
    "'BoolIfExists':{'aws:SecureTransport':'True'}",
    "'Bool':{'aws:SecureTransport':1}",
    "'NumericEquals':{'aws:CurrentTime':1800000000}",
    "'NumericNotEquals':{'aws:CurrentTime':'1e3'}",
    "'NumericLessThan':{'aws:SourceIp':-0.5}",
    "'NumericLessThanEquals':{'aws:SourceIp':'NaN'}",
    "'NumericGreaterThanIfExists':{'aws:SourceIp':'inf'}",
    "'NumericGreaterThanEquals':{'aws:SourceIp':18446744073709551616}",
    "'DateEquals':{'aws:CurrentTime':'2027-01-15T08:00:00Z'}",
    "'DateNotEquals':{'aws:CurrentTime':'2027-01-15'}",
    "'DateLessThan':{'aws:CurrentTime':'2027-01-15T08:00:00.5+01:00'}",
    "'DateLessThanEquals':{'aws:CurrentTime':'2027-01-15T08:00Z'}",
    "'DateGreaterThan':{'aws:CurrentTime':['1800000000',1799999999]}",
    "'DateGreaterThanEqualsIfExists':{'aws:CurrentTime':'18446744073709551615'}",
    "'DateLessThan':{'aws:CurrentTime':'2026'}",
    "'DateLessThan':{'aws:CurrentTime':'2027-02-30'}",
    "'DateLessThan':{'aws:CurrentTime':'9999-12-31T23:59:60Z'}",
    "'DateLessThan':{'aws:CurrentTime':'2027-01-15Té:00Z'}",
    "'IpAddress':{'aws:SourceIp':['203.0.113.0/24','::1','2001:db8::/32']}",
    "'NotIpAddress':{'aws:SourceIp':'::ffff:203.0.113.0/120'}",
    "'IpAddressIfExists':{'aws:SourceIp':'::ffff:1.2.3.4/95'}",
    "'IpAddress':{'aws:SourceIp':'1.2.3.4/33'}",
    "'IpAddress':{'ra:PCR0':'0.0.0.0/0'}",
    "'stringequals':{'aws:PrincipalArn':'a'}",
    "'ForAllValues:StringEquals':{'aws:PrincipalArn':'a'}",
    "'StringEquals':{'aws:PrincipalArn':'a','AWS:principalarn':'b'}",
    "'StringEquals':{'aws:username':'a'}",
    "'StringEquals':{'aws:PrincipalArn':'${aws:username}'}",
    "'StringEquals':{},'StringLike':{'aws:PrincipalArn':[]}",
];
