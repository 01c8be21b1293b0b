"""Other ways to write the Han characters of the word lists: traditional and rare forms, and their sound. Pure."""

from __future__ import annotations

import re
from typing import Final

_TRADITIONAL: Final = (
    "丟亂亞佈來侶侷係俬個們倖倫傑備傢傳傷僕僱價儀儘優兒內兩冊凍別則剋剎剝剮創劃劑動勢勸匯區協卹厠員唸問喫喬單嘔噁噓噯"
    "噴噹嚨嚮嚴國圍園圖團報場塊墊墜墻壓壽奪奬妝姦婦嬌嬰孌孫學宮實寫寬寵寶將尋對導屆屍層屬峯島崑巖師帶幹幾庫廁廠廢廣弔"
    "張強彆彈彔彙彫後從復徵惡愛態慘慣慾懷懸戀戰戲戶拋捨捲掃掛換搗摳摺擊據擣擰擺擼攔敎敵數斃斬斷於旂時暈曏書會朮東査條"
    "梟業榦榮槍樂樑樓標樣樹橋機橫檢檯檸檻櫃權歡歸殘殞殭殺殻殼毀氣汙決沒況洩淚淩減測渾湧準溝溫溼滙滸滾滿漢漿潔潤澀澤濕"
    "濺瀆瀉瀝灑灕灘灣為烏無煉煙熱燈燒燙營燬燭爐爛爭爲爾牀牆狀猶獎獨獲獵獸現琱瑪環產産畫異畵當痠瘡癒癮發皰皸盃盜盡盤盪"
    "眞眾睜硃確碼磚礦種稱穀積穢穫竅竪競筆箇節範篩簡簽籃籤糰紀約紅紋納紐紗紙級紮細終結絕絞絨統絲絶綁綑綠綫維網綴綵綿緊"
    "緑緒線緞締緣緩緻縊縛縣縫縱縴縷總績織繩繫繯纔纖纜罰羅羣義習翫翹聲職脅脈脣脩脫腦腫腳腸膚臉臘臟臥臨臺興舉舘艙莖華菸"
    "萬葉葯蒐蓆蓋蓮蔔蔥蕓蕩薑薩薹藝藥蘋蘚蘭蘿處虛虜號蝕蝦蟲蠟衆術衕衚衛裏裝裡製複褲褻襪襬襲覈見規覓視親計診註詐評詢話"
    "誘語誨說説課誼調談諒論諜諮諷謀謊講謝譜譭護譽讀變讚豎豬貨販貫責貴貸貼資賊賣質賭贊跡蹟軀車軋軌軍載輔輕輝輪輻轄轟辦"
    "辭農迴這連週進遊運過達遲選遺還邊醣醫釁釋釘針鈍鈎鈡鉅鉆鉤鉬銀銅銜銳銷鋒鋭鋸鋼錄錢錯録錶鍊鍋鍘鍼鍾鎖鏡鐘鐵鑽長門閂"
    "開間閣閤閥闆闇闕關陰陸陽隊際險隱隸隻雙雛雜雞離難雲電霑靈韆響頁頂預頓領頭頸頻題顏顔願類顧顯顱風颱飛飯飲飾餅餘館餬"
    "馬駕騎騙騰騷驕驗髒體髮鬆鬍魚魯魷鮮鯉鯊鰓鰹鰻鱔鱘鳥鳳鴉鴨鴿鵝鵰鶇鷄鸛麗麥麪麫麯麴麵黃點鼕鼴齣龍龜著軆躰躶臝倮婬滛"
    "銫铯祼洎骵隂阥胷姧奷閷呑揷膓戝贜囗"
)
_PLAIN: Final = (
    "丢乱亚布来侣局系私个们幸伦杰备家传伤仆雇价仪尽优儿内两册冻别则克刹剥剐创划剂动势劝汇区协恤厕员念问吃乔单呕恶嘘嗳"
    "喷当咙向严国围园图团报场块垫坠墙压寿夺奖妆奸妇娇婴娈孙学宫实写宽宠宝将寻对导届尸层属峰岛昆岩师带干几库厕厂废广吊"
    "张强别弹录汇雕后从复征恶爱态惨惯欲怀悬恋战戏户抛舍卷扫挂换捣抠折击据捣拧摆撸拦教敌数毙斩断于旗时晕向书会术东查条"
    "枭业干荣枪乐梁楼标样树桥机横检台柠槛柜权欢归残殒僵杀壳壳毁气污决没况泄泪凌减测浑涌准沟温湿汇浒滚满汉浆洁润涩泽湿"
    "溅渎泻沥洒漓滩湾为乌无炼烟热灯烧烫营毁烛炉烂争为尔床墙状犹奖独获猎兽现雕玛环产产画异画当酸疮愈瘾发疱皲杯盗尽盘荡"
    "真众睁朱确码砖矿种称谷积秽获窍竖竞笔个节范筛简签篮签团纪约红纹纳纽纱纸级扎细终结绝绞绒统丝绝绑捆绿线维网缀彩绵紧"
    "绿绪线缎缔缘缓致缢缚县缝纵纤缕总绩织绳系缳才纤缆罚罗群义习玩翘声职胁脉唇修脱脑肿脚肠肤脸腊脏卧临台兴举馆舱茎华烟"
    "万叶药搜席盖莲卜葱芸荡姜萨苔艺药苹藓兰萝处虚虏号蚀虾虫蜡众术同胡卫里装里制复裤亵袜摆袭核见规觅视亲计诊注诈评询话"
    "诱语诲说说课谊调谈谅论谍咨讽谋谎讲谢谱毁护誉读变赞竖猪货贩贯责贵贷贴资贼卖质赌赞迹迹躯车轧轨军载辅轻辉轮辐辖轰办"
    "辞农回这连周进游运过达迟选遗还边糖医衅释钉针钝钩钟巨钻钩钼银铜衔锐销锋锐锯钢录钱错录表炼锅铡针钟锁镜钟铁钻长门闩"
    "开间阁合阀板暗阙关阴陆阳队际险隐隶只双雏杂鸡离难云电沾灵千响页顶预顿领头颈频题颜颜愿类顾显颅风台飞饭饮饰饼余馆糊"
    "马驾骑骗腾骚骄验脏体发松胡鱼鲁鱿鲜鲤鲨鳃鲣鳗鳝鲟鸟凤鸦鸭鸽鹅雕鸫鸡鹳丽麦面面曲曲面黄点冬鼹出龙龟着体体裸裸裸淫淫"
    "色色裸自体阴阴胸奸奸杀吞插肠贼脏口"
)
SIMPLIFIED: Final = dict(zip(_TRADITIONAL, _PLAIN, strict=True))
"""By traditional and rare forms: the simplified characters of the lists. The lists' own text is read the same way.

From OpenCC's TSCharacters.txt, as far as the packaged lists need it, and rare characters that look like listed ones
(祼, 洎).
"""

_BY_SOUND: Final = """
ai嗳爱艾 an安案 ba八巴扒把 bai掰百 ban半 bang棒绑 bao宝抱暴爆 bei备杯被 beng迸 bi屄毙臂逼鼻
bian扁遍 biao婊表 bing兵冰 bo剥勃播脖膊 bu不部 cai踩 can惨残 cang藏 cao操肏草 ce厕 cha叉察岔插
chang场娼肠 chao潮 che扯车 chen沉 cheng乘成 chi吃尺持赤迟 chou抽 chu出初处雏 chuan喘穿
chuang床 chui吹椎 chun唇春 ci刺此 cong从 cun寸村 da大打 dai带待袋 dan弹 dang当荡 dao刀捣盗道
de的 di地底敌蒂 dian点电 diao吊屌掉调 die谍 ding丁腚 dong动 dou逗 du毒渎肚 duan断段短 dui堆
duo剁朵 er儿耳 fan犯翻 fang房放 fei飞 fen分焚 fu俘夫妇斧服浮父缚腐腹 gan干感肝 gang缸肛 gao睾高
ge割胳 geng更 gong宫 gou勾媾沟钩 gu股骨 gua挂 guan管贯馆 guang光 gui柜轨龟 gun棍滚 guo国果
hai孩害海骸 hang航 hao豪 he喝河 heng横 hong轰 hou后喉 hu户护湖糊 hua划画花 huan欢缳 huang黄
hun浑 huo惑活火货 ji几击妓己机激积级脊迹际鸡 jia假 jian奸溅见间 jiang僵将江浆 jiao交叫娇教焦绞脚
jie截结街解 jin尽筋进金 jing井睛精茎警颈 jiu九 ju举具巨菊锯 jue绝 kai开 kan砍 kao烤 ke客 ken啃
kong控空 kou口抠 ku枯裤酷 kuai块 kuan宽 kuang狂 kun捆 lai来 lan拦烂 lao烙老 le了 lei勒
li李漓离莉里隶 lian恋炼脸 liang两梁量 liao撩聊 lie猎裂 lin拎淋 ling凌 liu六流 long咙 lou楼
lu录撸虏露颅 luan乱娈 lun伦轮 luo萝落裸 lv缕 ma码马麻 mai卖埋脉 man满漫 mao毛 mei妹没美 men门
mi蜜迷 mian眠 min民 ming命 mo抹摸模魔 na拿 nai奶 nan男 nang囊 nao脑 nei内 ni溺 nian年碾
niao鸟 nie捏 ning拧 niu牛 nong农弄 nu奴 nv女 nve虐 pa啪 pai拍派 pao抛泡炮 pen喷 peng朋
pi丕劈屁皮 pian片 piao嫖 pin品频 po泊破 pou剖 qi七器妻起骑 qia掐 qiang墙强戕枪 qiao桥窍翘 qie切
qing情轻 qiu囚求球 qu去蛆趣躯 quan全泉 que缺 qun群裙 ran染 ren人忍 rou揉肉 ru乳入如 sa洒 sai塞
san三散 sao骚 se涩瑟色 sha刹杀沙砂纱鲨 shan山衫 shang上伤商 shao少烧 she射舌 shen神身 sheng生绳
shi势士尸师式是湿视食 shou兽受手首 shu书束熟竖 shuang双 shui水 shun吮 shuo说 si丝司四撕死私 su酥
sui碎 suo索 ta她 tai台太 tan炭 tang烫膛躺 tao套掏 te特 ti体提 tian天舔 tiao挑跳 tie铁
tong捅童铜 tou偷头投 tu图屠徒 tui腿褪 tun吞臀 tuo拖脱 wa挖袜 wai外 wan丸剜玩碗腕 wang王网
wei为位围慰未猥 wen刎 wo卧我 wu五巫无武污物舞 xi吸戏袭 xia下 xian掀现鲜 xiang像向想箱 xiao小枭
xie亵写卸 xin心 xing刑性腥行 xiong胸 xiu修 xuan悬 xue削学穴血 xun寻 ya压崖轧 yan宴淹烟眼颜
yang阳 yao咬腰药 ye液野 yi一医异缢衣遗 yin引淫瘾银阴饮 ying婴影 yong泳涌用 you优友右幼有游诱
yu于宇欲浴雨鱼 yuan员援 yue约 yun云晕殒 za砸 zai仔在宰 zang脏 zao遭 zha扎炸 zhan战斩沾站
zhang丈张掌 zhao照罩 zhe着者 zhen真震 zheng正 zhi之制只彘指殖直肢致质趾 zhong中终 zhu助煮珠
zhua抓 zhuai拽 zhuang撞装 zhui坠 zhun准 zi姿子字自 zui嘴 zuo作做左
"""
SOUNDS: Final = {
    character: sound for sound, characters in re.findall(r"([a-z]+)(\S+)", _BY_SOUND) for character in characters
}
"""Pinyin without tones of the characters of short terms."""
